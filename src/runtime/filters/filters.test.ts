import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type Lab, openLab } from "../testing/lab.ts";
import { openFilters } from "./filters.ts";

let lab: Lab;
beforeEach(() => {
  lab = openLab("filters");
});
afterEach(() => lab.close());

const annotation = "run.oci.seccomp_bpf_data";
const script = "grep Seccomp: /proc/self/status; mount -t tmpfs x /tmp; unshare -U true; personality=1";

test("the second container takes the program of the first, and is as confined", async () => {
  const first = await lab.run(["sh", "-c", script]);
  const folder = `${lab.folder}/run/filters`;
  expect(readdirSync(folder)).toHaveLength(1);
  const { id, process, output } = await lab.create(["sh", "-c", script]);
  const config = JSON.parse(readFileSync(`${lab.folder}/run/bundles/${id}/config.json`, "utf8"));
  const program = Buffer.from(config.annotations[annotation], "base64");
  expect(program.equals(readFileSync(`${folder}/${readdirSync(folder)[0]}`))).toBe(true);
  expect(program.equals(readFileSync(`${lab.folder}/run/crun/${id}/seccomp.bpf`))).toBe(true);
  await lab.runtime.start(id);
  await process.exit;
  expect(output.stdout).toBe("Seccomp:\t2\n");
  expect({ stdout: output.stdout, stderr: output.stderr }).toEqual({ stdout: first.stdout, stderr: first.stderr });
  await lab.runtime.remove(id);
});

test("another profile has another program, no profile none", async () => {
  const allow = (name: string) =>
    JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: [name], action: "SCMP_ACT_ERRNO" }] });
  for (let i = 0; i < 2; i++) {
    expect((await lab.run(["mkdir", "/tmp/a"], { seccomp: allow("mkdir") })).code).toBe(1);
    expect((await lab.run(["sh", "-c", "mkdir /tmp/b && rmdir /tmp/b"], { seccomp: allow("rmdir") })).code).toBe(1);
    expect((await lab.run(["rm", "-r", "/tmp/b"], { seccomp: "unconfined" })).code).toBe(0);
  }
  expect(readdirSync(`${lab.folder}/run/filters`)).toHaveLength(2);
});

test("a file that is no program is not used", () => {
  const spec = lab.spec(["true"]);
  const folder = `${lab.folder}/filters`;
  const filters = openFilters(folder, "/usr/bin/crun");
  writeFileSync(`${lab.folder}/program`, Buffer.alloc(16));
  filters.keep(spec, `${lab.folder}/missing`);
  expect(readdirSync(folder)).toHaveLength(0);
  filters.keep(spec, `${lab.folder}/program`);
  const [name] = readdirSync(folder);
  for (const bytes of [0, 7, 12, 40_000]) {
    writeFileSync(`${folder}/${name}`, Buffer.alloc(bytes));
    expect(openFilters(folder, "/usr/bin/crun").withFilter(spec).annotations).toBeUndefined();
  }
  writeFileSync(`${folder}/${name}`, Buffer.alloc(16));
  expect(openFilters(folder, "/usr/bin/crun").withFilter(spec).annotations).toHaveProperty([annotation]);
  // Another runtime: another key.
  expect(openFilters(folder, "/bin/busybox").withFilter(spec).annotations).toBeUndefined();
});
