import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfiguration } from "./configuration.ts";
import type { DaemonOptions } from "./options.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-configuration-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function configFile(content: unknown): string {
  const path = join(folder, "daemon.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

/** Always with a file of the test's own: the machine may have one. */
function read(argv: string[], content: unknown = {}): DaemonOptions {
  const result = readConfiguration(["--config-file", configFile(content), ...argv]);
  if ("help" in result) throw new Error("help");
  return result.options;
}

describe("readConfiguration", () => {
  test("has dockerd's defaults with our paths", () => {
    const options = read([]);
    expect(options.hosts).toEqual(["unix:///run/gantry/gantry.sock"]);
    expect(options.dataRoot).toBe("/var/lib/gantry");
    expect(options.maxConcurrentDownloads).toBe(3);
    expect(options.embeddedHub).toBe("fallback");
    expect(options.liveRestore).toBe(true);
  });

  test("takes flags in every form", () => {
    const options = read([
      "-H",
      "unix:///a.sock",
      "--host=tcp://127.0.0.1:2375",
      "-D",
      "--live-restore=false",
      "--mtu",
      "1400",
    ]);
    expect(options.hosts).toEqual(["unix:///a.sock", "tcp://127.0.0.1:2375"]);
    expect(options.logLevel).toBe("debug");
    expect(options.liveRestore).toBe(false);
    expect(options.mtu).toBe(1400);
  });

  test("takes the file's keys, pools included", () => {
    const options = read([], {
      "registry-mirrors": ["https://mirror.example"],
      "default-address-pools": [{ base: "10.10.0.0/16", size: 24 }],
      debug: true,
    });
    expect(options.registryMirrors).toEqual(["https://mirror.example"]);
    expect(options.addressPools).toEqual([{ base: "10.10.0.0/16", size: 24 }]);
    expect(options.logLevel).toBe("debug");
  });

  test.each([
    [["--mtu", "no"], {}, 'invalid argument for "--mtu" flag: "no" is not a whole number'],
    [["--frob"], {}, "unknown flag: --frob"],
    [["--registry"], {}, "did you mean --registry-mirror?"],
    [["--bip"], {}, "flag needs an argument: --bip"],
    [["extra"], {}, 'unexpected argument "extra"'],
    [["-H", "ftp://x"], {}, '"ftp://x" is not unix:///PATH'],
    [["--bridge", "a-name-that-is-too-long"], {}, "at most 15 characters"],
    [["--cgroup-parent", "../.."], {}, "is not a cgroup path"],
    [["--default-address-pool", "base=10.0.0.0/8,size=4"], {}, "is not an address pool"],
    [["--tlsverify"], {}, "TLS needs a certificate"],
    [["--data-root", "relative"], {}, "is not an absolute path"],
    [[], { frob: 1, bip: "10.0.0.1/24" }, "don't match any configuration option: frob"],
    [["--mtu", "1400"], { mtu: 1400 }, "both as a flag and in the configuration file: mtu"],
    [[], { mtu: "1400" }, 'mtu: "1400" is not a number'],
    [[], { hosts: "unix:///x" }, 'hosts: "unix:///x" is not a list'],
    [[], "{", "unable to configure the server with file"],
    [[], [], "it is not a JSON object"],
  ] as [string[], unknown, string][])("refuses %j with %j", (argv, content, message) => {
    expect(() => read(argv, content)).toThrow(message);
  });

  test("refuses a named file that is missing, and not the default one", () => {
    expect(() => readConfiguration(["--config-file", join(folder, "none.json")])).toThrow("ENOENT");
  });
});
