/** `gantry daemon install`: the systemd units, with socket activation (systemd.socket(5), systemd.kill(5)). */
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const help = `Usage:  gantry daemon install [OPTIONS] [-- DAEMON-OPTIONS]

Writes the systemd units gantry.socket and gantry.service, and enables them where systemd runs

Options:
      --group string      Group that may use the socket without root
      --unit-dir string   Where the units go (default /etc/systemd/system)
      --no-start          Write the units only
`;

export interface Units {
  socket: string;
  service: string;
}

/**
 * KillMode=process: a restart ends the server alone, not the containers' supervisors. Delegate=yes: what lies below the
 * unit's control group is ours.
 */
export function makeUnits(executable: string, group: string, daemonOptions: string[]): Units {
  const words = [executable, "daemon", "-H", "fd://", ...daemonOptions].map(quote).join(" ");
  return {
    socket: `[Unit]
Description=Gantry container engine's socket

[Socket]
ListenStream=/run/gantry/gantry.sock
SocketMode=0660
SocketUser=root
SocketGroup=${group || "root"}

[Install]
WantedBy=sockets.target
`,
    service: `[Unit]
Description=Gantry container engine
After=network-online.target nftables.service firewalld.service
Wants=network-online.target
Requires=gantry.socket

[Service]
Type=exec
ExecStart=${words}
KillMode=process
Delegate=yes
Restart=on-failure
RestartSec=2
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
Also=gantry.socket
`,
  };
}

/** systemd.service(5), "Command lines": quotes, and `%` and `$` doubled. */
function quote(word: string): string {
  const escaped = word.replace(/[\\"]/g, "\\$&").replace(/%/g, "%%").replace(/\$/g, "$$$$");
  return /^[\w@+=:,./-]+$/.test(word) ? word : `"${escaped}"`;
}

/** Resolves with the exit code. */
export async function installUnits(argv: string[]): Promise<number> {
  let group = "";
  let folder = "/etc/systemd/system";
  let start = true;
  const own = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const daemonOptions = argv.includes("--") ? argv.slice(argv.indexOf("--") + 1) : [];
  for (let at = 0; at < own.length; at++) {
    const [name, inline] = own[at]!.split("=", 2);
    if (name === "--help") {
      console.log(help);
      return 0;
    }
    if (name === "--no-start") start = false;
    else if (name === "--group" || name === "--unit-dir") {
      const value = inline ?? own[++at];
      if (!value) return fail(`flag needs an argument: ${name}`);
      if (name === "--group") group = value;
      else folder = value;
    } else return fail(`unknown flag: ${own[at]}`);
  }
  if (!/^[a-zA-Z0-9_.-]*$/.test(group)) return fail(`${JSON.stringify(group)} is not the name of a group`);
  const units = makeUnits(process.execPath, group, daemonOptions);
  try {
    mkdirSync(folder, { recursive: true });
    write(join(folder, "gantry.socket"), units.socket);
    write(join(folder, "gantry.service"), units.service);
  } catch (error) {
    console.error(`gantry daemon install: ${(error as Error).message}`);
    return 1;
  }
  console.log(`wrote gantry.socket and gantry.service to ${folder}`);
  if (!start) return 0;
  if (!existsSync("/run/systemd/system")) {
    console.log("systemd does not run here: enable them later with 'systemctl enable --now gantry.socket'");
    return 0;
  }
  for (const words of [["daemon-reload"], ["enable", "--now", "gantry.socket"], ["enable", "gantry.service"]]) {
    const child = Bun.spawn(["systemctl", ...words], { stdio: ["ignore", "inherit", "inherit"] });
    if ((await child.exited) !== 0) return 1;
  }
  return 0;
}

function write(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o644 });
  renameSync(`${path}.new`, path);
}

function fail(message: string): number {
  console.error(`${message}\nSee 'gantry daemon install --help'.`);
  return 125;
}
