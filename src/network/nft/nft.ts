/** Runs nft: each call is one transaction, all of it or nothing, one after the other. */
import { NetworkError } from "../network.ts";

export class NftError extends NetworkError {
  constructor(message: string) {
    super(message, "other");
  }
}

let last: Promise<unknown> = Promise.resolve();

/** Feeds `commands` to `nft -f -`. Rejects with an NftError that holds nft's own words. */
export function nft(commands: string): Promise<void> {
  return inTurn(async () => {
    await run(["-f", "-"], commands);
  });
}

/** What `nft -j …` prints, parsed. */
export function nftList(...words: string[]): Promise<unknown> {
  return inTurn(async () => JSON.parse(await run(["-j", ...words], "")));
}

/** Transactions at the same time would make each other start again in the kernel. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = last.then(work, work);
  last = mine.catch(() => {});
  return mine;
}

async function run(words: string[], input: string): Promise<string> {
  let child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  try {
    child = Bun.spawn(["nft", ...words], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new NftError("nft is not installed (package nftables)");
    throw error;
  }
  // Not a Blob as standard input: Bun keeps its file open until the collector comes along.
  child.stdin.write(input);
  child.stdin.end();
  const [output, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new NftError(`nft: ${errors.trim() || `exit code ${code}`}`);
  return output;
}
