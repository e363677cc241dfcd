/** What this program is. The build script defines these names; from the sources they are not there. */
declare const GANTRY_VERSION: string | undefined;
declare const GANTRY_COMMIT: string | undefined;
declare const GANTRY_BUILT: string | undefined;

export const version: string = typeof GANTRY_VERSION === "string" ? GANTRY_VERSION : "0.1.0-dev";
export const commit: string = typeof GANTRY_COMMIT === "string" ? GANTRY_COMMIT : "unknown";
/** RFC 3339, or "" from the sources. */
export const built: string = typeof GANTRY_BUILT === "string" ? GANTRY_BUILT : "";
