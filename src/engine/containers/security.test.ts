import { expect, test } from "bun:test";
import { readSecurity } from "./security.ts";

test("the default profile of AppArmor holds unless the container is privileged or asks for another", () => {
  expect(readSecurity([], "gantry-default", false).apparmor).toBe("gantry-default");
  expect(readSecurity([], "gantry-default", true).apparmor).toBeUndefined();
  expect(readSecurity(["apparmor=unconfined"], "gantry-default", false).apparmor).toBeUndefined();
  expect(readSecurity(["apparmor:mine"], "gantry-default", true).apparmor).toBe("mine");
  expect(readSecurity([], undefined, false).apparmor).toBeUndefined();
});

test("no-new-privileges in every writing", () => {
  for (const option of ["no-new-privileges", "no-new-privileges=true", "no-new-privileges:true"]) {
    expect(readSecurity([option], undefined, false).noNewPrivileges).toBe(true);
  }
  expect(readSecurity(["no-new-privileges=false"], undefined, false).noNewPrivileges).toBe(false);
});

test.each([
  ["apparmor=mine", "AppArmor is not on in this kernel"],
  ["no-new-privileges=maybe", "invalid --security-opt"],
  ["frob=1", "invalid --security-opt"],
  ["label=user:x", "not there yet"],
])("refuses %s", (option, message) => {
  expect(() => readSecurity([option], undefined, false)).toThrow(message);
});
