/** From what went wrong to a status code and Docker's `{"message": …}`. */
import { EngineError, type ErrorKind } from "../../engine/errors.ts";
import { RegistryError } from "../../registry/registry.ts";

/** A refusal by the API itself. `close` when the rest of the connection cannot be trusted any more. */
export class HttpError extends Error {
  readonly close: boolean;
  constructor(
    readonly status: number,
    message: string,
    options: { close?: boolean } = {},
  ) {
    super(message);
    this.name = "HttpError";
    this.close = options.close ?? false;
  }
}

export const badRequest = (message: string) => new HttpError(400, message);

const statusOfKind: Record<ErrorKind, number> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  "not-found": 404,
  conflict: 409,
  internal: 500,
  "not-implemented": 501,
  unavailable: 503,
};

/** The status that `error` is answered with; 500 for what nobody foresaw. */
export function statusOf(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  if (error instanceof EngineError) return statusOfKind[error.kind];
  if (error instanceof RegistryError && error.status >= 400 && error.status <= 599) return error.status;
  return 500;
}

export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message === "" ? "unknown error" : message;
}

/** RFC 9110 section 15; the phrase is decoration, but old clients print it. */
export const reasons: Record<number, string> = {
  100: "Continue",
  101: "UPGRADED",
  200: "OK",
  201: "Created",
  204: "No Content",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  409: "Conflict",
  413: "Request Entity Too Large",
  417: "Expectation Failed",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};
