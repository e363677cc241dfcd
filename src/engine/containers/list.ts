/** `docker ps` and `docker container prune`. */
import type { ContainerPruneResponse, ContainerSummary } from "@docker/node-sdk";
import { unixSeconds } from "../clock.ts";
import type { Filters } from "../engine.ts";
import { invalid } from "../errors.ts";
import { booleanFilter, checkFilters, labelsMatch, readTime } from "../filters.ts";
import { findImage } from "../images/find.ts";
import { type Container, isActive } from "./container.ts";
import type { Parts } from "./containers.ts";
import { describeMount, sizes } from "./inspect.ts";
import { destroyContainer } from "./remove.ts";

const filterNames = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "is-task",
  "label",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
];
const statuses = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];

export async function listContainers(
  parts: Parts,
  options: { all: boolean; limit: number; size: boolean; filters: Filters },
): Promise<ContainerSummary[]> {
  const { filters, limit } = options;
  checkFilters(filters, filterNames);
  const keep = containerFilter(parts, filters);
  const chosen = filters.has("status") || filters.has("exited") || limit > 0;
  const newest = parts.store.all().reverse();
  let found = newest.filter((one) => (options.all || chosen || isActive(one)) && keep(one));
  if (limit > 0) found = found.slice(0, limit);
  return Promise.all(found.map((one) => summarize(parts, one, options.size)));
}

async function summarize(parts: Parts, container: Container, size: boolean): Promise<ContainerSummary> {
  const { record, state } = container;
  const settings = parts.endpoints.describe(container);
  return {
    Id: record.id,
    Names: [`/${record.name}`],
    Image: record.imageName,
    ImageID: record.image,
    Command: commandLine(record.path, record.args),
    Created: unixSeconds(record.created),
    Ports: parts.endpoints.ports(container),
    ...(size ? await sizes(parts, container) : {}),
    Labels: record.config.Labels ?? {},
    State: state.status,
    Status: statusText(container),
    HostConfig: { NetworkMode: record.hostConfig.NetworkMode },
    NetworkSettings: { Networks: settings.Networks },
    Mounts: record.mounts.filter((mount) => mount.type !== "tmpfs").map((mount) => describeMount(parts, mount)),
  } as unknown as ContainerSummary;
}

/** As a person would type it; Docker quotes what holds spaces. */
function commandLine(path: string, args: string[]): string {
  const quoted = args.map((arg) => (/[\s'"]/.test(arg) ? `'${arg}'` : arg));
  return [path, ...quoted].join(" ");
}

export function statusText(container: Container): string {
  const { state } = container;
  const since = (time: string) => humanDuration((Date.now() - Date.parse(time)) / 1000);
  switch (state.status) {
    case "running":
      return `Up ${since(state.startedAt)}`;
    case "paused":
      return `Up ${since(state.startedAt)} (Paused)`;
    case "restarting":
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case "removing":
      return "Removal In Progress";
    case "dead":
      return "Dead";
    case "created":
      return "Created";
    case "exited":
      return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
  }
}

/** Docker's words for a span of time, in seconds. */
export function humanDuration(seconds: number): string {
  if (seconds < 1) return "Less than a second";
  if (seconds < 2) return "1 second";
  if (seconds < 60) return `${Math.floor(seconds)} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(seconds / 3600 + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(seconds / 3600 / 24 / 365)} years`;
}

export function containerFilter(parts: Parts, filters: Filters): (container: Container) => boolean {
  const values = (key: string) => filters.get(key) ?? [];
  for (const status of values("status")) {
    if (!statuses.includes(status)) throw invalid(`invalid filter 'status=${status}'`);
  }
  const codes = values("exited").map((text) => {
    if (!/^-?\d+$/.test(text)) throw invalid(`invalid filter 'exited=${text}'`);
    return Number(text);
  });
  const order = parts.store.all();
  const bound = (key: string) => values(key).map((ref) => order.indexOf(parts.store.find(ref)));
  const before = bound("before");
  const since = bound("since");
  const images = values("ancestor").flatMap((ref) => {
    try {
      return [findImage(parts.images.store, ref).image.id as string];
    } catch {
      return [ref];
    }
  });
  const tasks = booleanFilter(filters, "is-task");
  const some = (key: string, test: (value: string) => boolean) => !filters.has(key) || values(key).some(test);
  return (container) => {
    const { record, state } = container;
    if (!some("id", (value) => record.id.startsWith(value))) return false;
    if (!some("name", (value) => nameMatches(value, record.name))) return false;
    if (!some("status", (value) => state.status === value)) return false;
    if (codes.length > 0 && !(state.status === "exited" && codes.includes(state.exitCode))) return false;
    if (tasks === true) return false;
    if (!labelsMatch(filters, record.config.Labels)) return false;
    if (filters.has("ancestor") && !images.includes(record.image)) return false;
    const at = order.indexOf(container);
    if (before.some((other) => at >= other) || since.some((other) => at <= other)) return false;
    if (
      !some("volume", (value) => record.mounts.some((mount) => mount.source === value || mount.destination === value))
    )
      return false;
    const networks = parts.endpoints.describe(container).Networks;
    if (
      !some("network", (value) =>
        Object.entries(networks).some(([name, one]) => name === value || one.NetworkID?.startsWith(value) === true),
      )
    )
      return false;
    if (!some("health", (value) => value === "none")) return false;
    if (!some("expose", (value) => portMatches(value, Object.keys(record.config.ExposedPorts ?? {})))) return false;
    const published = (state.bindings ?? []).map((one) => `${one.hostPort}/${one.protocol}`);
    return some("publish", (value) => portMatches(value, published));
  };
}

/** A regular expression, as Docker has it; with or without the slash. */
function nameMatches(pattern: string, name: string): boolean {
  try {
    const expression = new RegExp(pattern);
    return expression.test(name) || expression.test(`/${name}`);
  } catch {
    return name.includes(pattern);
  }
}

/** `80`, `80/udp`, `8000-8010/tcp` against `port/protocol`. */
function portMatches(wanted: string, ports: string[]): boolean {
  const parts = /^(\d+)(-(\d+))?(\/(tcp|udp|sctp))?$/.exec(wanted);
  if (!parts) throw invalid(`invalid port filter ${JSON.stringify(wanted)}`);
  const low = Number(parts[1]);
  const high = Number(parts[3] ?? parts[1]);
  const protocol = parts[5] ?? "tcp";
  return ports.some((port) => {
    const [number, has] = port.split("/");
    return has === protocol && Number(number) >= low && Number(number) <= high;
  });
}

export async function pruneContainers(parts: Parts, filters: Filters): Promise<ContainerPruneResponse> {
  checkFilters(filters, ["label", "label!", "until"]);
  const until = filters.get("until")?.map((text) => readTime(text) * 1000);
  const gone: string[] = [];
  let reclaimed = 0;
  for (const container of parts.store.all()) {
    const { record } = container;
    if (isActive(container) || container.removing || !labelsMatch(filters, record.config.Labels)) continue;
    if (until?.some((bound) => Date.parse(record.created) >= bound)) continue;
    reclaimed += await parts.snapshots.usage(record.id);
    container.removing = true;
    await container.lock(() => destroyContainer(parts, container, false));
    gone.push(record.id);
  }
  parts.events.emit("container", "prune", "", { reclaimed: String(reclaimed) });
  return {
    ContainersDeleted: (gone.length > 0 ? gone : null) as unknown as string[],
    SpaceReclaimed: reclaimed,
  };
}
