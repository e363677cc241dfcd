/**
 * What the end-to-end tests stand on. A test that uses it looks so:
 *
 *   describeNeeding("root", "docker")("ps", () => {
 *     let server: Server;
 *     beforeAll(async () => { server = await startServer(); });
 *     afterAll(() => server?.cleanup());
 *     test("lists nothing at first", async () => { expect((await server.docker(["ps", "-q"])).stdout).toBe(""); });
 *   });
 */

export { type EventWatch, type ServerEvent, watchEvents } from "./events.ts";
export { eventually } from "./eventually.ts";
export {
  type BuiltImage,
  buildImage,
  busyboxImage,
  digestOf,
  type ImageOptions,
  incompressibleImage,
} from "./image.ts";
export { type Client, clients, engineNeeds, type Lab, startLab } from "./lab.ts";
export { type Live, live } from "./live.ts";
export { type Peer, type PeerOptions, startPeer } from "./peer.ts";
export { describeNeeding, find, lack, type Need, needing, program } from "./programs.ts";
export { type Pty, pty } from "./pty.ts";
export { type FakeRegistry, fakeRegistry, realRegistry, type TestRegistry } from "./registry.ts";
export { cleanEnvironment, type Result, type RunOptions, run } from "./run.ts";
export { type Sandbox, sandboxNeeds, startSandbox } from "./sandbox.ts";
export { gantry, type Server, type ServerOptions, startServer } from "./server.ts";
export { type Entry, tar } from "./tar.ts";
