/**
 * The table of commands: what the help lists, and where each one's file is. A file is loaded when its command is called,
 * so a command more costs the others nothing. A new command is a file in commands/ and a line here.
 */
import type { Command } from "./command.ts";

export interface Entry {
  summary: string;
  load: () => Promise<{ default: Command }>;
  /** Other names in its group. */
  names?: string[];
}

export interface Group {
  summary: string;
  commands: Record<string, Entry>;
}

/** A command that parses its own arguments and belongs to another part of the product. */
export interface External {
  summary: string;
  run: (argv: string[]) => Promise<number>;
}

const run: Entry = {
  summary: "Create and run a new container from an image",
  load: () => import("./commands/run.ts"),
};
const exec: Entry = { summary: "Execute a command in a running container", load: () => import("./commands/exec.ts") };
const ps: Entry = {
  summary: "List containers",
  load: () => import("./commands/ps.ts"),
};
const pull: Entry = { summary: "Download an image from a registry", load: () => import("./commands/pull.ts") };
const images: Entry = { summary: "List images", load: () => import("./commands/images.ts") };
const version: Entry = {
  summary: "Show the Gantry version information",
  load: () => import("./commands/version.ts"),
};
const info: Entry = { summary: "Display system-wide information", load: () => import("./commands/info.ts") };
const attach: Entry = {
  summary: "Attach local standard input, output, and error streams to a running container",
  load: () => import("./commands/attach.ts"),
};
const create: Entry = { summary: "Create a new container", load: () => import("./commands/create.ts") };
const events: Entry = { summary: "Get real time events from the server", load: () => import("./commands/events.ts") };
const history: Entry = { summary: "Show the history of an image", load: () => import("./commands/history.ts") };
const inspect: Entry = {
  summary: "Return low-level information on Docker objects",
  load: () => import("./commands/inspect.ts"),
};
const kill: Entry = { summary: "Kill one or more running containers", load: () => import("./commands/kill.ts") };
const logs: Entry = { summary: "Fetch the logs of a container", load: () => import("./commands/logs.ts") };
const pause: Entry = {
  summary: "Pause all processes within one or more containers",
  load: () => import("./commands/pause.ts"),
};
const port: Entry = {
  summary: "List port mappings or a specific mapping for the container",
  load: () => import("./commands/port.ts"),
};
const rename: Entry = { summary: "Rename a container", load: () => import("./commands/rename.ts") };
const restart: Entry = { summary: "Restart one or more containers", load: () => import("./commands/restart.ts") };
const rm: Entry = { summary: "Remove one or more containers", load: () => import("./commands/rm.ts") };
const rmi: Entry = { summary: "Remove one or more images", load: () => import("./commands/rmi.ts") };
const start: Entry = { summary: "Start one or more stopped containers", load: () => import("./commands/start.ts") };
const stop: Entry = { summary: "Stop one or more running containers", load: () => import("./commands/stop.ts") };
const tag: Entry = {
  summary: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
  load: () => import("./commands/tag.ts"),
};
const top: Entry = {
  summary: "Display the running processes of a container",
  load: () => import("./commands/top.ts"),
};
const unpause: Entry = {
  summary: "Unpause all processes within one or more containers",
  load: () => import("./commands/unpause.ts"),
};
const wait: Entry = {
  summary: "Block until one or more containers stop, then print their exit codes",
  load: () => import("./commands/wait.ts"),
};

/** What the help lists first. */
export const common: Record<string, Entry> = { run, exec, ps, pull, images, version, info };

export const plain: Record<string, Entry> = {
  attach,
  create,
  events,
  history,
  inspect,
  kill,
  logs,
  pause,
  port,
  rename,
  restart,
  rm: rm,
  rmi,
  start,
  stop,
  tag,
  top,
  unpause,
  wait,
};

export const groups: Record<string, Group> = {
  container: {
    summary: "Manage containers",
    commands: {
      attach,
      create,
      exec,
      inspect: {
        summary: "Display detailed information on one or more containers",
        load: () => import("./commands/container-inspect.ts"),
      },
      kill,
      logs,
      ls: { ...ps, names: ["list", "ps"] },
      pause,
      port,
      prune: { summary: "Remove all stopped containers", load: () => import("./commands/container-prune.ts") },
      rename,
      restart,
      rm: { ...rm, names: ["remove"] },
      run,
      start,
      stop,
      top,
      unpause,
      wait,
    },
  },
  image: {
    summary: "Manage images",
    commands: {
      history,
      inspect: {
        summary: "Display detailed information on one or more images",
        load: () => import("./commands/image-inspect.ts"),
      },
      ls: { ...images, names: ["list"] },
      prune: { summary: "Remove unused images", load: () => import("./commands/image-prune.ts") },
      pull,
      rm: { ...rmi, names: ["remove"] },
      tag,
    },
  },
  network: {
    summary: "Manage networks",
    commands: {
      inspect: {
        summary: "Display detailed information on one or more networks",
        load: () => import("./commands/network-inspect.ts"),
      },
      ls: { summary: "List networks", load: () => import("./commands/network-ls.ts"), names: ["list"] },
    },
  },
  system: {
    summary: "Manage Gantry",
    commands: { events, info },
  },
  volume: {
    summary: "Manage volumes",
    commands: {
      create: { summary: "Create a volume", load: () => import("./commands/volume-create.ts") },
      inspect: {
        summary: "Display detailed information on one or more volumes",
        load: () => import("./commands/volume-inspect.ts"),
      },
      ls: { summary: "List volumes", load: () => import("./commands/volume-ls.ts"), names: ["list"] },
      prune: { summary: "Remove unused local volumes", load: () => import("./commands/volume-prune.ts") },
      rm: { summary: "Remove one or more volumes", load: () => import("./commands/volume-rm.ts"), names: ["remove"] },
    },
  },
};
