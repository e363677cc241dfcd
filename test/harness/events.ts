/** The server's events as they come: what tests wait for instead of sleeping. */
import type { Server } from "./server.ts";

export interface ServerEvent {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  scope: string;
  time: number;
  timeNano: number;
  status?: string;
  id?: string;
  from?: string;
}

export interface EventWatch {
  /** Everything seen so far. */
  readonly seen: ServerEvent[];
  /** `container start`, of the container of that name or ID when given. Resolves at once when it was seen; `count`: the n-th. */
  until(what: string, container?: string, count?: number): Promise<ServerEvent>;
  close(): Promise<void>;
}

/** Everything that happens from now on, matching the filters. */
export async function watchEvents(server: Server, filters: Record<string, string[]> = {}): Promise<EventWatch> {
  const seen: ServerEvent[] = [];
  const watchers = new Set<() => void>();
  const abort = new AbortController();
  const notify = (): void => {
    for (const watcher of [...watchers]) watcher();
  };
  // With `since` nothing falls between the request and its answer.
  const since = (Date.now() / 1000).toFixed(3);
  const query = `since=${since}&filters=${encodeURIComponent(JSON.stringify(filters))}`;
  const answer = await server.request(`/events?${query}`, { signal: abort.signal });
  if (!answer.ok) throw new Error(`/events: ${answer.status} ${await answer.text()}`);
  const reading = (async () => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of answer.body!) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop()!;
      for (const line of lines) if (line.trim() !== "") seen.push(JSON.parse(line) as ServerEvent);
      notify();
    }
  })().catch(() => {});
  return {
    seen,
    until(what, container, count = 1) {
      const { promise, resolve, reject } = Promise.withResolvers<ServerEvent>();
      const matches = ({ Type, Action, Actor }: ServerEvent) =>
        `${Type} ${Action}` === what &&
        (container === undefined || Actor.Attributes.name === container || Actor.ID === container);
      const stop = (): void => {
        clearTimeout(timer);
        watchers.delete(look);
      };
      const timer = setTimeout(() => {
        stop();
        const texts = seen.slice(-30).map((event) => `${event.Type} ${event.Action} ${event.Actor.Attributes.name}`);
        reject(new Error(`in 30 s no "${what}" of ${container} (${count}); seen: ${texts.join(", ")}`));
      }, 30_000);
      const look = (): void => {
        const found = seen.filter(matches)[count - 1];
        if (!found) return;
        stop();
        resolve(found);
      };
      watchers.add(look);
      look();
      return promise;
    },
    async close() {
      abort.abort();
      await reading;
    },
  };
}
