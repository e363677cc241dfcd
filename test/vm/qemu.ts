/** The command line of the emulator. */

export type Accelerator = "tcg" | "kvm";

export interface Hardware {
  accelerator: Accelerator;
  cpus: number;
  /** MB */
  memory: number;
  kernel: string;
  /** Further words of the kernel's command line. */
  kernelArguments: string[];
  /** ext4 images: the root, then those that are vda, vdb, … there. What the guest writes is thrown away. */
  disks: string[];
  /** Virtio ports by name, each with the path of the socket that listens for it. */
  ports: Record<string, string>;
}

/** A comma in an option of QEMU's is written twice. */
const escaped = (value: string): string => value.replaceAll(",", ",,");

/**
 * A machine without anything that is not asked for: console on standard output, no network, power off or reset or panic
 * ends it. NVMe and ext4 are built into Debian's cloud kernel, so it finds its root without an initramfs. Only the root
 * is NVMe: of two such disks the kernel may find either first.
 */
export function qemuArguments(hardware: Hardware): string[] {
  const { accelerator, cpus, memory, kernel, kernelArguments, disks, ports } = hardware;
  const append = ["console=ttyS0", "root=/dev/nvme0n1", "rootfstype=ext4", "rootwait", "rw", "panic=-1", "quiet"];
  append.push("apparmor=1", "security=apparmor", ...kernelArguments);
  const argv = ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"];
  argv.push("-accel", accelerator === "tcg" ? "tcg,thread=multi" : "kvm");
  argv.push("-cpu", accelerator === "tcg" ? "max" : "host", "-smp", String(cpus), "-m", String(memory));
  argv.push("-kernel", kernel, "-append", append.join(" "));
  disks.forEach((image, index) => {
    argv.push("-drive", `if=none,id=disk${index},format=raw,snapshot=on,cache=unsafe,file=${escaped(image)}`);
    argv.push("-device", index === 0 ? "nvme,drive=disk0,serial=root" : `virtio-blk-pci,drive=disk${index}`);
  });
  argv.push("-device", "virtio-serial-pci");
  for (const [name, socket] of Object.entries(ports)) {
    argv.push("-chardev", `socket,id=${name},path=${escaped(socket)}`);
    argv.push("-device", `virtserialport,chardev=${name},name=${name}`);
  }
  return argv;
}
