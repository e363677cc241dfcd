import { describe, expect, test } from "bun:test";
import type { ContainerConfig, HostConfig } from "@docker/node-sdk";
import type { EngineError } from "../errors.ts";
import { checkRequest } from "./refuse.ts";

function refusal(host: object, config: object = {}): EngineError {
  try {
    checkRequest(config as ContainerConfig, host as HostConfig);
  } catch (error) {
    return error as EngineError;
  }
  throw new Error("nothing was refused");
}

describe("checkRequest", () => {
  test("takes an empty request and a usual one", () => {
    checkRequest({}, {});
    checkRequest({ Env: ["A=b"], WorkingDir: "/x" }, { Memory: 64 << 20, NanoCpus: 5e8, PidsLimit: -1 });
  });

  test.each([
    [{ RestartPolicy: { Name: "frob" } }, {}, "unknown policy 'frob'"],
    [{ RestartPolicy: { Name: "always" }, AutoRemove: true }, {}, "can't create 'AutoRemove' container"],
    [{ RestartPolicy: { Name: "always", MaximumRetryCount: 3 } }, {}, "only be used with 'on-failure'"],
    [{ LogConfig: { Type: "frob" } }, {}, "no log driver named 'frob' is registered"],
    [{ Runtime: "frob" }, {}, "unknown or invalid runtime name: frob"],
    [{ Annotations: { "run.oci.seccomp_bpf_data": "AAAA" } }, {}, '"run.oci.seccomp_bpf_data" is not allowed'],
    [{}, { Env: ["=x"] }, "invalid environment variable: =x"],
    [{}, { WorkingDir: "x" }, "needs to be an absolute path"],
    [{}, { Hostname: "-bad-" }, "invalid hostname format: -bad-"],
  ])("answers 400 to %j %j", (host, config, message) => {
    const error = refusal(host, config);
    expect(error.message).toContain(message);
    expect(error.kind).toBe("invalid");
  });

  test.each([
    [{ Links: ["a:b"] }, {}, "--link"],
    [{ VolumesFrom: ["a"] }, {}, "--volumes-from"],
    [{ UsernsMode: "private" }, {}, "--userns"],
    [{ DeviceRequests: [{}] }, {}, "--gpus"],
    [{ LogConfig: { Type: "syslog" } }, {}, "syslog"],
    [{}, { Healthcheck: { Test: ["CMD", "true"] } }, "--health-cmd"],
  ])("answers 501, by name, to what is not there: %j %j", (host, config, name) => {
    const error = refusal(host, config);
    expect(error.message).toContain(name);
    expect(error.kind).toBe("not-implemented");
  });
});
