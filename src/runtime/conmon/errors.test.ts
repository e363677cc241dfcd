import { describe, expect, test } from "bun:test";
import { launchError } from "./errors.ts";

describe("launchError", () => {
  test.each([
    // crun 1.8
    [
      "2026-01-01T00:00:00.000000Z: executable file `nope` not found in $PATH: No such file or directory",
      "nope",
      "not-found",
      'exec: "nope": executable file not found in $PATH',
    ],
    [
      "executable file `/bin/nope` not found in $PATH: No such file or directory",
      "/bin/nope",
      "not-found",
      'exec: "/bin/nope": stat /bin/nope: no such file or directory',
    ],
    ["open executable: Permission denied", "/etc/passwd", "not-executable", 'exec: "/etc/passwd": permission denied'],
    ["open executable: Operation not permitted", "/bin", "not-executable", 'exec: "/bin": is a directory'],
    // crun 1.21
    [
      "executable file `/bin/nope` not found: No such file or directory",
      "/bin/nope",
      "not-found",
      'exec: "/bin/nope": stat /bin/nope: no such file or directory',
    ],
    [
      "the path `/bin/notes` exists but it is not executable: Operation not permitted",
      "/bin/notes",
      "not-executable",
      'exec: "/bin/notes": permission denied',
    ],
    [
      "the path `/bin` is not a regular file: Operation not permitted",
      "/bin",
      "not-executable",
      'exec: "/bin": is a directory',
    ],
    [
      "[conmon:e]: noise\nmount `proc` to `/proc`: Device or resource busy",
      "true",
      "other",
      "mount `proc` to `/proc`: Device or resource busy",
    ],
    ["", "true", "other", "the runtime gave no reason"],
  ] as const)("%s", (text, command, kind, message) => {
    const error = launchError(text, command);
    expect([error.kind, error.message]).toEqual([kind, message]);
  });
});
