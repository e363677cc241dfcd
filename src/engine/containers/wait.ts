/** `POST /containers/{id}/wait`: the code outlives the container for everyone who asked in time. */
import type { WaitCondition, WaitResult } from "../engine.ts";
import { type Container, isActive } from "./container.ts";

export function waitContainer(container: Container, condition: WaitCondition): { result: Promise<WaitResult> } {
  const answer = (code: number): WaitResult => ({ StatusCode: code });
  if (condition === "not-running" && !isActive(container)) {
    return { result: Promise.resolve(answer(container.state.exitCode)) };
  }
  if (condition === "removed") {
    if (container.removed) return { result: Promise.resolve(answer(container.state.exitCode)) };
    return { result: new Promise((resolve) => container.removals.add((code) => resolve(answer(code)))) };
  }
  return { result: new Promise((resolve) => container.exits.add((code) => resolve(answer(code)))) };
}
