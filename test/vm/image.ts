/** Disk images from folders, without mounting anything. */
import { rmSync } from "node:fs";
import { call } from "./call.ts";

/** Makes an ext4 image (sparse) of `folder`'s content, owned as it is. Takes mke2fs (e2fsprogs 1.43 or newer). */
export async function makeImage(
  image: string,
  folder: string,
  options: { label: string; megabytes: number },
): Promise<void> {
  rmSync(image, { force: true });
  const ready = "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0";
  const { label, megabytes } = options;
  const argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-L", label, "-E", ready, "-d", folder, image];
  await call([...argv, `${megabytes}M`], { limit: 300_000 });
}
