/** Opens the rooms in order, takes over what an earlier server left, and listens. */
import { hostname } from "node:os";
import { join } from "node:path";
import { type ApiServer, createApiServer, type Log } from "../api/server.ts";
import { canRun, checkMachine } from "../doctor/doctor.ts";
import { isRunning } from "../engine/containers/container.ts";
import { createContainers, type Parts } from "../engine/containers/containers.ts";
import { end } from "../engine/containers/lifecycle.ts";
import { dropLog, openLog } from "../engine/containers/log-file.ts";
import { restoreContainers } from "../engine/containers/restore.ts";
import { createContainerStore } from "../engine/containers/store.ts";
import { volumeUsers } from "../engine/containers/volumes.ts";
import type { Engine } from "../engine/engine.ts";
import { createEventLog } from "../engine/events/events.ts";
import { createExecs } from "../engine/exec/exec.ts";
import { newId } from "../engine/identifier.ts";
import { sweepContent } from "../engine/images/collect.ts";
import { createImages } from "../engine/images/images.ts";
import { createLeases, type PullParts } from "../engine/images/pull.ts";
import { createImageStore } from "../engine/images/store.ts";
import { createEndpoints } from "../engine/networks/endpoints.ts";
import { createNetworks, networkIds } from "../engine/networks/networks.ts";
import { serverId, systemInfo, systemVersion } from "../engine/system/info.ts";
import { createVolumes } from "../engine/volumes/volumes.ts";
import { createEmbeddedHub } from "../hub/embedded.ts";
import { createBridgeNetwork } from "../network/bridge/bridge.ts";
import { createEmptyNamespaces } from "../network/empty/empty.ts";
import { createRegistry } from "../registry/create.ts";
import type { Registry } from "../registry/registry.ts";
import { loadDefaultProfile } from "../runtime/apparmor/apparmor.ts";
import { createRuntime, defaultCgroupParent } from "../runtime/create.ts";
import { createContentStore } from "../storage/content/content-store.ts";
import { openDatabase } from "../storage/database/database.ts";
import { createOverlaySnapshots } from "../storage/snapshots/overlay/overlay.ts";
import { built, commit, version } from "../version.ts";
import { createIdle } from "./idle.ts";
import { StartError } from "./instance.ts";
import { openMemoryFolder } from "./memory-folder.ts";
import type { DaemonOptions } from "./options.ts";
import { openSockets } from "./sockets.ts";

export interface Server {
  /** Answers what is under way; containers run on with live-restore, and are stopped without. */
  close(): Promise<void>;
}

/** Milliseconds without a request until the server counts as idle. */
const quiet = 5000;

const platform = { os: "linux", architecture: process.arch === "arm64" ? "arm64" : "amd64" };

/**
 * Throws StartError, DatabaseError or NetworkError with a message for the person who started it. What was opened by then
 * is closed: ready namespaces and mounts would stay until the next start.
 */
export async function assemble(options: DaemonOptions, log: Log): Promise<Server> {
  const opened: Closing[] = [];
  try {
    return await openRooms(options, log, opened);
  } catch (error) {
    await closeRooms(opened);
    throw error;
  }
}

type Closing = () => void | Promise<void>;

/** The last opened first. */
async function closeRooms(opened: Closing[]): Promise<void> {
  for (const close of opened.splice(0).reverse()) await close();
}

async function openRooms(options: DaemonOptions, log: Log, opened: Closing[]): Promise<Server> {
  const warnings = await checkStart(options, log);
  const database = openDatabase(join(options.dataRoot, "state.db"));
  opened.push(() => database.close());
  const events = createEventLog(database);
  opened.push(() => events.flush());
  const store = createContainerStore(database);
  const content = createContentStore(join(options.dataRoot, "content"));
  const snapshots = createOverlaySnapshots({ root: join(options.dataRoot, "snapshots"), content });
  opened.push(() => snapshots.close());
  const memory = openMemoryFolder(join(options.execRoot, "runtime"));
  opened.push(() => memory.close(store.all().some(isRunning)));
  const runtime = createRuntime({
    execRoot: memory.path,
    cgroupParent: options.cgroupParent ?? defaultCgroupParent(options.execRoot),
  });
  opened.push(() => runtime.close());
  const namespaces = join(memory.path, "netns");
  const bridge = await createBridgeNetwork({
    bridge: options.bridge,
    ...(options.bip ? { address: options.bip } : {}),
    pools: options.addressPools,
    namespaces,
    ready: options.networkPool,
    mtu: options.mtu,
    log: (message) => log.info(message),
  });
  opened.push(() => bridge.close());
  const imageStore = createImageStore(database);
  const registry = openRegistry(options);
  const pullParts: PullParts = {
    registry,
    content,
    layers: snapshots.layers,
    store: imageStore,
    events,
    concurrency: options.maxConcurrentDownloads,
    platform,
    leases: createLeases(),
  };
  const images = createImages({
    ...pullParts,
    users: (image) =>
      store
        .all()
        .filter((one) => one.record.image === image.id)
        .map((one) => ({ id: one.record.id, running: isRunning(one) })),
  });
  const volumes = createVolumes({
    database,
    events,
    root: join(options.dataRoot, "volumes"),
    users: (name) => volumeUsers(store.all(), name),
  });
  const ids = networkIds(database);
  const endpoints = createEndpoints({
    bridge,
    emptyNamespace: createEmptyNamespaces(namespaces),
    store,
    events,
    networkIds: ids,
  });
  const apparmor = await loadDefaultProfile().catch((error: Error) => {
    throw new StartError(error.message);
  });
  let closing = false;
  const parts: Parts = {
    store,
    images,
    volumes,
    endpoints,
    bridge,
    snapshots,
    runtime,
    events,
    platform,
    apparmor,
    cgroupVersion: runtime.cgroups.layout.version === "v2" ? 2 : 1,
    folder: join(options.dataRoot, "containers"),
    files: join(memory.path, "files"),
    dns: { servers: options.dns, search: options.dnsSearch, options: options.dnsOptions },
    hostname,
    log,
    closing: () => closing,
  };
  await restoreContainers(parts);
  runtime.keepReady({
    count: options.supervisorPool,
    newId,
    openLog: (id) => openLog(parts.folder, id),
    dropLog: (id) => dropLog(parts.folder, id),
    log: (message) => log.warn(message),
  });
  opened.push(() => runtime.stopWaiting());
  const swept = await sweepContent(pullParts);
  if (swept.layers + swept.blobs > 0)
    log.info(`removed ${swept.layers} layers and ${swept.blobs} blobs of unfinished pulls`);
  const system = {
    ...parts,
    product: { version, commit, built },
    dataRoot: options.dataRoot,
    registry: { mirrors: options.registryMirrors, insecure: options.insecureRegistries },
    labels: options.labels,
    liveRestore: options.liveRestore,
    debug: options.debug,
    embeddedHub: options.embeddedHub,
    runtimeVersion: () => runtime.version(),
    pools: options.addressPools,
    serverId: serverId(database),
    warnings,
  };
  const engine: Engine = {
    containers: createContainers(parts),
    execs: createExecs(parts),
    images,
    volumes,
    networks: createNetworks({ bridge, mtu: options.mtu, ids, store }),
    events,
    info: () => systemInfo(system),
    version: () => systemVersion(system),
  };
  opened.push(async () => {
    closing = true;
    for (const container of store.all()) await container.teardown;
    // Before the bridge: what ends now is for the next server to see.
    runtime.close();
  });
  const idle = createIdle(quiet);
  opened.push(() => idle.close());
  const api: ApiServer = createApiServer({ engine, log, version, activity: idle.touch });
  const closeApi = () => api.close(options.shutdownTimeout * 1000);
  opened.push(closeApi);
  await openSockets(api, options, log);
  log.info(`API listens on ${options.hosts.join(", ")}`);
  return {
    async close() {
      closing = true;
      if (!options.liveRestore) {
        // No new request may start what would be left over; what one under way has started is stopped too.
        const closed = closeApi();
        await stopAll(parts, options.shutdownTimeout);
        await closed;
        await stopAll(parts, options.shutdownTimeout);
      }
      await closeRooms(opened);
    },
  };
}

function openRegistry(options: DaemonOptions): Registry {
  const { embeddedHub: mode, registryMirrors: mirrors, insecureRegistries: insecure } = options;
  const hub = mode === "off" ? {} : { hub: { mode, transport: createEmbeddedHub() } };
  try {
    return createRegistry({ mirrors, insecure, ...hub, userAgent: `gantry/${version} (linux)` });
  } catch (error) {
    throw new StartError(`--registry-mirror: ${(error as Error).message}`);
  }
}

async function checkStart(options: DaemonOptions, log: Log): Promise<string[]> {
  const checks = await checkMachine({
    dataRoot: options.dataRoot,
    bridge: options.bridge,
    ...(options.bip ? { bip: options.bip } : {}),
    pools: options.addressPools,
    repair: true,
    thorough: false,
  });
  for (const check of checks) {
    const text = `${check.name}: ${check.found}${check.advice ? ` (${check.advice})` : ""}`;
    if (check.status === "repaired") log.info(`repaired ${text}`);
    if (check.status === "warning") log.warn(text);
  }
  if (!canRun(checks)) {
    const failed = checks.filter((check) => check.status === "failed");
    throw new StartError(
      `this machine cannot run containers yet:\n${failed.map((check) => `  ${check.name}: ${check.found}\n    ${check.advice ?? ""}`).join("\n")}\n'gantry doctor' says more`,
    );
  }
  return checks.filter((check) => check.status === "warning").map((check) => `WARNING: ${check.name}: ${check.found}`);
}

async function stopAll(parts: Parts, seconds: number): Promise<void> {
  const running = parts.store.all().filter(isRunning);
  await Promise.all(
    running.map((container) =>
      end(parts, container, 15, container.record.config.StopTimeout ?? seconds).catch((error: Error) =>
        parts.log.warn(`container ${container.record.id}: ${error.message}`),
      ),
    ),
  );
}
