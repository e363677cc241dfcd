/** For tests: a runtime on roots of its own with a busybox root file system, and the way to leave nothing behind. */
import { rmSync } from "node:fs";
import { repairHybrid } from "../cgroup/repair.ts";
import { type ConmonRuntime, createRuntime } from "../create.ts";
import type { ExecLaunch, Exit, Launch, RunningProcess, Stream, Streams } from "../runtime.ts";
import { buildSpec, processCapabilities, type SpecInput } from "../spec/build.ts";
import { defaultCapabilities } from "../spec/capabilities.ts";
import type { Spec } from "../spec/types.ts";
import { makeBusyboxRoot, temporaryFolder } from "./busybox.ts";

export const noInput: Streams = { terminal: false, openStdin: false, stdinOnce: false };
export const input: Streams = { terminal: false, openStdin: true, stdinOnce: true };
export const terminal: Streams = { terminal: true, openStdin: true, stdinOnce: true };

export interface Output {
  stdout: string;
  stderr: string;
  bytes: number;
  ended: Promise<void>;
}

export interface Lab {
  folder: string;
  rootfs: string;
  runtime: ConmonRuntime;
  newId(): string;
  spec(args: string[], more?: Partial<SpecInput>): Spec;
  process(args: string[], more?: Partial<ExecLaunch["process"]>): ExecLaunch["process"];
  logPath(id: string): string;
  /** Created, listened to, not started. */
  create(
    args: string[],
    more?: Partial<SpecInput>,
    launch?: Partial<Launch>,
  ): Promise<{ id: string; process: RunningProcess; output: Output }>;
  /** Run to its end, and removed. */
  run(args: string[], more?: Partial<SpecInput>, launch?: Partial<Launch>): Promise<Exit & Output>;
  exec(
    id: string,
    args: string[],
    launch?: Partial<ExecLaunch>,
    process?: Partial<ExecLaunch["process"]>,
  ): Promise<{ process: RunningProcess; output: Output }>;
  close(): Promise<void>;
}

export function collect(process: RunningProcess): Output {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const output: Output = { stdout: "", stderr: "", bytes: 0, ended };
  process.attachment.listen({
    data(stream: Stream, chunk: Uint8Array) {
      output.bytes += chunk.length;
      if (output.bytes < 1 << 20) output[stream] += Buffer.from(chunk).toString("latin1");
      return undefined;
    },
    end: resolve,
  });
  return output;
}

export function openLab(name: string): Lab {
  repairHybrid();
  const folder = temporaryFolder(name);
  const rootfs = makeBusyboxRoot(folder);
  const runtime = createRuntime({ execRoot: `${folder}/run` });
  const newId = () => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
  const logPath = (id: string) => `${folder}/${id}.log`;

  const lab: Lab = {
    folder,
    rootfs,
    runtime,
    newId,
    logPath,
    spec: (args, more = {}) =>
      buildSpec({
        rootfs,
        args,
        env: ["PATH=/bin", "HOME=/root"],
        cwd: "/",
        user: { uid: 0, gid: 0 },
        terminal: false,
        namespaces: { network: "private" },
        ...more,
      }),
    process: (args, more = {}) => ({
      args,
      env: ["PATH=/bin"],
      cwd: "/",
      user: { uid: 0, gid: 0 },
      capabilities: processCapabilities(defaultCapabilities),
      noNewPrivileges: false,
      ...more,
    }),
    async create(args, more = {}, launch = {}) {
      const id = launch.id ?? newId();
      const process = await runtime.create({
        id,
        spec: lab.spec(args, more),
        streams: noInput,
        logPath: logPath(id),
        ...launch,
      });
      return { id, process, output: collect(process) };
    },
    async run(args, more, launch) {
      const { id, process, output } = await lab.create(args, more, launch);
      await runtime.start(id);
      const exit = await process.exit;
      await output.ended;
      await runtime.remove(id);
      return { ...exit, ...output };
    },
    async exec(id, args, launch = {}, more = {}) {
      const process = await runtime.exec(id, {
        execId: newId(),
        process: lab.process(args, more),
        streams: noInput,
        ...launch,
      });
      return { process, output: collect(process) };
    },
    async close() {
      for (const id of await runtime.list()) await runtime.remove(id);
      runtime.close();
      await runtime.cgroups.killAll(runtime.cgroupParent);
      await runtime.cgroups.remove(runtime.cgroupParent);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return lab;
}
