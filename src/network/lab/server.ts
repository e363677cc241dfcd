/** For tests: a process with a bridge network in it, told what to do by lines of JSON on standard input. */
import { createBridgeNetwork } from "../bridge/bridge.ts";
import { createEmptyNamespaces } from "../empty/empty.ts";
import type { BridgeNetwork, BridgeOptions, PortBinding } from "../network.ts";

export interface Call {
  number: number;
  method: "create" | "acquire" | "publish" | "release" | "restore" | "empty" | "destroy" | "close" | "storm";
  args: unknown[];
}

export interface Answer {
  number: number;
  result?: unknown;
  error?: string;
  /** Not an answer: something that the network logged. */
  log?: string;
}

let network: BridgeNetwork | undefined;
let namespaces = "";

const say = (answer: Answer) => console.log(JSON.stringify(answer));

async function perform({ method, args }: Call): Promise<unknown> {
  if (method === "create") {
    const options = { ...(args[0] as BridgeOptions), log: (log: string) => say({ number: 0, log }) };
    namespaces = options.namespaces;
    network = await createBridgeNetwork(options);
    return { subnet: network.subnet, gateway: network.gateway };
  }
  if (method === "empty") return createEmptyNamespaces(namespaces)(args[0] as string);
  if (method === "storm") return storm(network!);
  return await (network![method] as (...args: unknown[]) => Promise<unknown>)(...args);
}

async function storm(on: BridgeNetwork): Promise<void> {
  const lane = async (name: number) => {
    for (let round = 0; ; round++) {
      const id = `storm-${name}-${round}`;
      await on.acquire(id);
      const binding: PortBinding = { protocol: "tcp", containerPort: 80, hostAddress: "", hostPort: 2000 + name };
      await on.publish(id, [binding, { ...binding, hostPort: 0 }]);
      if (round % 3 > 0) await on.release(id);
      else await on.publish(id, [{ ...binding, protocol: "udp", hostPort: 0 }]).then(() => on.release(id));
    }
  };
  await Promise.all([0, 1, 2].map(lane));
}

for await (const line of console) {
  const call = JSON.parse(line) as Call;
  perform(call).then(
    (result) => say({ number: call.number, result }),
    (error: Error) => say({ number: call.number, error: error.message }),
  );
}
