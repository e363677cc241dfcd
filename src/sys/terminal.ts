/** Terminals: raw mode and window size (termios(3), ioctl_tty(2)). */
import { address, check, nr, syscall } from "./libc.ts";

// include/uapi/asm-generic/ioctls.h and termbits.h; the same on x86-64 and arm64.
const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TIOCGWINSZ = 0x5413;
const TIOCSWINSZ = 0x5414;

const IGNBRK = 0o1;
const BRKINT = 0o2;
const PARMRK = 0o10;
const ISTRIP = 0o40;
const INLCR = 0o100;
const IGNCR = 0o200;
const ICRNL = 0o400;
const IXON = 0o2000;
const OPOST = 0o1;
const CSIZE = 0o60;
const CS8 = 0o60;
const PARENB = 0o400;
const ISIG = 0o1;
const ICANON = 0o2;
const ECHO = 0o10;
const ECHONL = 0o100;
const IEXTEN = 0o100000;
const VTIME = 5;
const VMIN = 6;
/** struct termios of the kernel: iflag, oflag, cflag, lflag, one byte of line discipline, 19 control characters. */
const termiosBytes = 36;
const controlsAt = 17;

export interface WindowSize {
  rows: number;
  columns: number;
}

/** Makes the terminal raw: every key comes at once and as it is. Returns what puts it back. Throws SysError: ENOTTY. */
export function makeRaw(fd: number): () => void {
  const saved = new Uint8Array(new ArrayBuffer(termiosBytes));
  check(syscall(nr("ioctl"), fd, TCGETS, address(saved)), "ioctl TCGETS", String(fd));
  const raw = new Uint8Array(saved.buffer.slice(0));
  const flags = new DataView(raw.buffer);
  const change = (at: number, clear: number, set = 0) =>
    flags.setUint32(at, (flags.getUint32(at, true) & ~clear) | set, true);
  change(0, IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  change(4, OPOST);
  change(8, CSIZE | PARENB, CS8);
  change(12, ECHO | ECHONL | ICANON | ISIG | IEXTEN);
  raw[controlsAt + VMIN] = 1;
  raw[controlsAt + VTIME] = 0;
  check(syscall(nr("ioctl"), fd, TCSETS, address(raw)), "ioctl TCSETS", String(fd));
  return () => {
    // The terminal may be gone: then there is nothing to put back.
    syscall(nr("ioctl"), fd, TCSETS, address(saved));
  };
}

/** The terminal's size in characters, or undefined when `fd` is none. */
export function windowSize(fd: number): WindowSize | undefined {
  const size = new Uint16Array(new ArrayBuffer(8));
  if (syscall(nr("ioctl"), fd, TIOCGWINSZ, address(size)) === -1) return undefined;
  return { rows: size[0]!, columns: size[1]! };
}

/** Sets the terminal's size; the processes in its foreground get SIGWINCH. Throws SysError: ENOTTY. */
export function setWindowSize(fd: number, { rows, columns }: WindowSize): void {
  const size = new Uint16Array(new ArrayBuffer(8));
  size[0] = rows;
  size[1] = columns;
  check(syscall(nr("ioctl"), fd, TIOCSWINSZ, address(size)), "ioctl TIOCSWINSZ", String(fd));
}
