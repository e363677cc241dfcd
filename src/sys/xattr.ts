/** Extended attributes, by path (never following a symbolic link in its last part) and by descriptor. */
import { address, check, errno, nr, SysError, syscall } from "./libc.ts";
import { type ByteString, place } from "./names.ts";

const ENODATA = 61;
/** The kernel's own bound of a value and of a list of names (XATTR_SIZE_MAX, XATTR_LIST_MAX). */
const limit = 65536;

let scratch: Buffer | undefined;
const buffer = (): Buffer => {
  scratch ??= Buffer.from(new ArrayBuffer(limit));
  return scratch;
};

function value(length: number, call: string, name: ByteString): Buffer | undefined {
  if (length !== -1) return Buffer.from(buffer().subarray(0, length));
  const error = errno();
  if (error === ENODATA) return undefined;
  throw new SysError(call, error, name);
}

const names = (length: number): ByteString[] => buffer().toString("latin1", 0, length).split("\0").slice(0, -1);

/** A file's attribute; undefined when it has none of that name. Throws SysError. */
export function getXattr(path: ByteString, name: ByteString): Buffer | undefined {
  const nameAddress = place(name, "getxattr", 1);
  return value(
    syscall(nr("lgetxattr"), place(path, "getxattr"), nameAddress, address(buffer()), limit),
    "getxattr",
    `${path} ${name}`,
  );
}

/** Sets an attribute, whether or not it is there. Throws SysError: ENOTSUP, EPERM, ENOSPC, … */
export function setXattr(path: ByteString, name: ByteString, data: Uint8Array): void {
  const nameAddress = place(name, "setxattr", 1);
  const bytes = data.length === 0 ? 0 : address(data);
  const result = syscall(nr("lsetxattr"), place(path, "setxattr"), nameAddress, bytes, data.length, 0);
  check(result, "setxattr", `${path} ${name}`);
}

/** The names of a file's attributes. Throws SysError. */
export function listXattrs(path: ByteString): ByteString[] {
  return names(check(syscall(nr("llistxattr"), place(path, "listxattr"), address(buffer()), limit), "listxattr", path));
}

/** An open file's attribute; undefined when it has none of that name. */
export function getXattrFd(fd: number, name: ByteString): Buffer | undefined {
  return value(syscall(nr("fgetxattr"), fd, place(name, "getxattr"), address(buffer()), limit), "getxattr", name);
}

export function setXattrFd(fd: number, name: ByteString, data: Uint8Array): void {
  const bytes = data.length === 0 ? 0 : address(data);
  check(syscall(nr("fsetxattr"), fd, place(name, "setxattr"), bytes, data.length, 0), "setxattr", name);
}

export function listXattrsFd(fd: number): ByteString[] {
  return names(check(syscall(nr("flistxattr"), fd, address(buffer()), limit), "listxattr"));
}

/** Removes an attribute; no error when it is absent. */
export function removeXattrFd(fd: number, name: ByteString): void {
  if (syscall(nr("fremovexattr"), fd, place(name, "removexattr")) === -1) {
    const error = errno();
    if (error !== ENODATA) throw new SysError("removexattr", error, name);
  }
}

/** The error says that this file, or its file system, cannot have such attributes. */
export const isUnsupported = (error: unknown): boolean =>
  error instanceof SysError && (error.code === "ENOTSUP" || error.code === "EOPNOTSUPP");
