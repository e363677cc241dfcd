/** What a registry refuses or gets wrong, in Docker's words: clients look for them. */
import { parseChallenges } from "./auth/challenge.ts";
import { familiarName, familiarString, type Reference } from "./reference/reference.ts";

export type RegistryErrorKind =
  | "not-found"
  | "denied"
  | "unauthorized"
  | "rate-limited"
  | "unreachable"
  | "invalid"
  | "other";

/** A registry's refusal or fault. `status` is the HTTP status that our API answers with. */
export class RegistryError extends Error {
  constructor(
    message: string,
    readonly kind: RegistryErrorKind,
    readonly status: number,
  ) {
    // Much of it comes from outside and ends on a terminal.
    super(printable(message, 4096));
    this.name = "RegistryError";
  }
}

/** One entry of a registry's error body (distribution-spec, "Error Codes"). */
export interface ErrorCode {
  code: string;
  message: string;
}

/** Text from outside, as it may stand in a message: one line, no control characters, bounded. */
export function printable(text: string, limit = 512): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, " ").trim();
  return clean.length > limit ? `${clean.slice(0, limit)}…` : clean;
}

/** The entries of `{"errors": […]}`, or undefined when the body is something else. */
export function parseErrorCodes(body: Uint8Array): ErrorCode[] | undefined {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
  const list = (document as { errors?: unknown } | null)?.errors;
  if (!Array.isArray(list)) return undefined;
  const codes = list
    .slice(0, 16)
    .flatMap((one: { code?: unknown; message?: unknown } | null) =>
      typeof one?.code === "string"
        ? [{ code: one.code.slice(0, 64), message: printable(typeof one.message === "string" ? one.message : "") }]
        : [],
    );
  return codes.length > 0 ? codes : undefined;
}

/** `denied: requested access to the resource is denied`: the code in small letters and its message. */
const formatCode = ({ code, message }: ErrorCode): string =>
  `${printable(code).toLowerCase().replaceAll("_", " ")}: ${message || "unknown"}`;

/** The phrases that Docker's clients print for an answer without a body of its own. */
const phrases: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  416: "Requested Range Not Satisfiable",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

export const statusLine = (status: number, text = ""): string =>
  `${status} ${printable(text, 64) || phrases[status] || ""}`.trim();

/**
 * From a registry's answer to Docker's text. `where` is the registry's name, `manifest` whether a manifest was asked for
 * (a 404 without a body then says that there is none).
 */
export function refusal(
  answer: { status: number; statusText: string; headers: Headers },
  body: Uint8Array,
  reference: Reference,
  where: string,
  manifest: boolean,
): RegistryError {
  const { status } = answer;
  const [first] = challengeCodes(answer) ?? parseErrorCodes(body) ?? defaultCodes(status, manifest);
  const about = pulling(reference, where);
  if (first === undefined || status >= 500) {
    return new RegistryError(
      `received unexpected HTTP status: ${statusLine(status, answer.statusText)}${about}`,
      "other",
      500,
    );
  }
  const text = formatCode(first);
  switch (first.code.toUpperCase()) {
    case "DENIED":
      return new RegistryError(
        `pull access denied for ${familiarName(reference)}, repository does not exist or may require 'docker login': ${text}`,
        "denied",
        404,
      );
    case "MANIFEST_UNKNOWN":
      return new RegistryError(`manifest for ${familiarString(reference)} not found: ${text}`, "not-found", 404);
    case "NAME_UNKNOWN":
      return new RegistryError(`repository ${familiarName(reference)} not found: ${text}`, "not-found", 404);
    case "BLOB_UNKNOWN":
      return new RegistryError(`${text}${about}`, "not-found", 404);
    case "UNAUTHORIZED":
      return new RegistryError(`${text}${about}`, "unauthorized", 500);
    case "TOOMANYREQUESTS":
      return new RegistryError(`${text}${about}`, "rate-limited", 500);
    default:
      return new RegistryError(`${text}${about}`, status === 429 ? "rate-limited" : "other", 500);
  }
}

/** What a 401 says beside its challenge (RFC 6750, section 3.1): more than its body, which only asks to log in. */
function challengeCodes(answer: { status: number; headers: Headers }): ErrorCode[] | undefined {
  if (answer.status !== 401) return undefined;
  const bearer = parseChallenges(answer.headers.get("www-authenticate") ?? "").find((one) => one.scheme === "bearer");
  const description = printable(bearer?.parameters.error_description ?? "");
  switch (bearer?.parameters.error) {
    case "insufficient_scope":
      return [{ code: "DENIED", message: description || "requested access to the resource is denied" }];
    case "invalid_token":
      return [{ code: "UNAUTHORIZED", message: description || "authentication required" }];
    default:
      return undefined;
  }
}

function defaultCodes(status: number, manifest: boolean): ErrorCode[] {
  if (status === 401) return [{ code: "UNAUTHORIZED", message: "authentication required" }];
  if (status === 403) return [{ code: "DENIED", message: "requested access to the resource is denied" }];
  if (status === 404 && manifest) return [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }];
  if (status === 404) return [{ code: "BLOB_UNKNOWN", message: "blob unknown to registry" }];
  if (status === 429) return [{ code: "TOOMANYREQUESTS", message: "too many requests" }];
  return [];
}

/** Names image and registry behind a text that does not. */
export const pulling = (reference: Reference, where: string): string =>
  ` (pulling ${familiarString(reference)} from ${where})`;

/** The registry sent something that is not what it should be. */
export const invalidAnswer = (message: string, reference: Reference, where: string): RegistryError =>
  new RegistryError(`${message}${pulling(reference, where)}`, "invalid", 500);
