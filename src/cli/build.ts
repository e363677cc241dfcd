/** Which build this is. The two constants are set by the build (scripts/build.ts); from source they are missing. */

declare const GANTRY_VERSION: string | undefined;
declare const GANTRY_COMMIT: string | undefined;

export const version: string = typeof GANTRY_VERSION === "string" ? GANTRY_VERSION : "0.0.0-source";
export const commit: string = typeof GANTRY_COMMIT === "string" ? GANTRY_COMMIT : "unknown";

export const versionLine = (): string => `gantry version ${version}, build ${commit}`;
