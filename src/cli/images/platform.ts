/** --platform: `linux/arm64`, checked here so that a typing error does not start a pull. */
import { formatPlatform, normalizePlatform } from "../../registry/reference/platform.ts";
import { CliError } from "../errors.ts";

/** The platform in its usual spelling; "" stays. Throws CliError with Docker's text. */
export function checkPlatform(text: string): string {
  return text === "" ? "" : formatPlatform(parse(text));
}

/** As newer parts of the API take it. */
export const platformJson = (text: string): string => (text === "" ? "" : JSON.stringify(parse(text)));

function parse(text: string) {
  try {
    return normalizePlatform(text);
  } catch (error) {
    throw new CliError(`error parsing specified platform: ${(error as Error).message}`, { final: true });
  }
}
