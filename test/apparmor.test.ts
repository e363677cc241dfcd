/** Containers are confined by AppArmor where the kernel has it on: seen in the virtual machine. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { busyboxImage, realRegistry, type Server, startServer, type TestRegistry } from "./harness/harness.ts";

function isOn(): boolean {
  try {
    return readFileSync("/sys/module/apparmor/parameters/enabled", "utf8").trim() === "Y";
  } catch {
    return false;
  }
}

if (!isOn()) test.skip("AppArmor (skipped: this kernel has it off)", () => {});
else {
  describe("a container under AppArmor", () => {
    let server: Server;
    let registry: TestRegistry;
    let base: string;
    const profileOf = async (...args: string[]) =>
      (await server.cli([...args, "cat", "/proc/self/attr/current"])).stdout.trim();

    beforeAll(async () => {
      registry = await realRegistry();
      base = await registry.push(await busyboxImage(), "bb");
      server = await startServer({ args: ["--embedded-hub", "off"] });
      expect(await server.cli(["pull", base])).toMatchObject({ code: 0 });
    }, 120_000);
    afterAll(async () => {
      await server?.cleanup();
      await registry?.cleanup();
    }, 60_000);

    test("has our profile, its execs too", async () => {
      expect(await profileOf("run", "--rm", base)).toBe("gantry-default (enforce)");
      expect(await server.cli(["run", "-d", "--name", "box", base, "sleep", "1000"])).toMatchObject({ code: 0 });
      expect(await profileOf("exec", "box")).toBe("gantry-default (enforce)");
      const inspected = await server.cli(["inspect", "-f", "{{.AppArmorProfile}}", "box"]);
      expect(inspected.stdout.trim()).toBe("gantry-default");
    });

    test("has none when it asks for none, or is privileged", async () => {
      expect(await profileOf("run", "--rm", "--security-opt", "apparmor=unconfined", base)).toBe("unconfined");
      expect(await profileOf("run", "--rm", "--privileged", base)).toBe("unconfined");
    });

    test("cannot mount and cannot write the kernel's settings, though it has the capability", async () => {
      const script = "mount -t tmpfs x /tmp; echo 1 > /proc/sys/kernel/panic; echo $?";
      const unmasked = [
        "--cap-add",
        "SYS_ADMIN",
        "--security-opt",
        "seccomp=unconfined",
        "--security-opt",
        "systempaths=unconfined",
      ];
      const result = await server.cli(["run", "--rm", ...unmasked, base, "sh", "-c", script]);
      expect(result.stderr).toMatch(/mount.*(Permission denied|permission denied)/);
      expect(result.stderr).toMatch(/panic: Permission denied/);
    });

    test("does not start with a profile that is not loaded", async () => {
      const result = await server.cli(["run", "--rm", "--security-opt", "apparmor=no-such-profile", base, "true"]);
      expect(result.code).toBe(125);
      expect(result.stderr).toMatch(/apparmor/i);
    });
  });
}
