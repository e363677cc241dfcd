/** What the engine refuses, in Docker's words. The API turns the kind into a status code. */
export type ErrorKind =
  | "invalid" // 400
  | "unauthorized" // 401
  | "forbidden" // 403
  | "not-found" // 404
  | "conflict" // 409
  | "internal" // 500
  | "not-implemented" // 501
  | "unavailable"; // 503

export class EngineError extends Error {
  constructor(
    readonly kind: ErrorKind,
    message: string,
  ) {
    super(message);
    this.name = "EngineError";
  }
}

export const invalid = (message: string) => new EngineError("invalid", message);
export const notFound = (message: string) => new EngineError("not-found", message);
export const conflict = (message: string) => new EngineError("conflict", message);
export const notImplemented = (message: string) => new EngineError("not-implemented", message);
