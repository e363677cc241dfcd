/** A server under measurement, with its clients. */

export interface Engine {
  name: "dockerd" | "gantry";
  /** Lines for the report: programs and their versions. */
  versions: Record<string, string>;
  /** The stock client's command line against it. */
  docker(words: string[]): string[];
  /** Gantry's client's command line against it. */
  gantry(words: string[]): string[];
  /** The clients' environment. */
  env: Record<string, string | undefined>;
  /** Pids of everything that belongs to it. */
  processes(): number[];
  /** Runs the stock client to its end; resolves with its output. */
  ask(words: string[]): Promise<string>;
  /** What the server has said. */
  log(): string;
  /** Ends it and removes everything of it. */
  cleanup(): Promise<void>;
}
