/** JSON bodies, bounded and with Docker's words for what is wrong. */
import { badRequest, messageOf } from "./errors.ts";
import type { Call } from "./router.ts";

/** Throws 400 when there is a body that does not call itself JSON. */
function checkContentType(call: Call): void {
  const { head, body } = call.exchange;
  const type = head.headers.get("content-type") ?? "";
  if (type === "" && body.length === 0) return;
  const media = (type.split(";")[0] as string).trim().toLowerCase();
  if (media === "") throw badRequest(`malformed Content-Type header (${type}): mime: no media type`);
  if (media !== "application/json") {
    throw badRequest(`unsupported Content-Type header (${type}): must be 'application/json'`);
  }
}

/** The parsed body, undefined when there is none. Throws 400. */
export async function readJson(call: Call): Promise<unknown> {
  checkContentType(call);
  const bytes = await call.exchange.body.bytes(call.limits.bodyBytes);
  if (bytes.length === 0) return undefined;
  const text = bytes.toString("utf8");
  if (text.trim() === "") throw badRequest("invalid JSON: got EOF while reading request body");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`invalid JSON: ${messageOf(error).replace(/^JSON Parse error: /, "")}`);
  }
}
