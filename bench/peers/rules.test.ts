import { expect, test } from "bun:test";
import { parseSave, removal, stale } from "./rules.ts";

const before = `# a comment
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OTHER - [0:0]
-A FORWARD -j OTHER
COMMIT
`;
const after = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:OTHER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o gt1 -j DOCKER
-A FORWARD -j OTHER
-A DOCKER-USER -j RETURN
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i gt1 -j RETURN
COMMIT
`;

test("reads tables", () => {
  expect(parseSave(before).get("filter")).toEqual({ chains: ["OTHER"], rules: ["-A FORWARD -j OTHER"] });
});

test("takes back rules, then chains, and nothing that was there", () => {
  expect(removal(before, after, "gt1")).toBe(
    "*filter\n-D FORWARD -j DOCKER-USER\n-D FORWARD -o gt1 -j DOCKER\n" +
      "-F DOCKER\n-F DOCKER-USER\n-X DOCKER\n-X DOCKER-USER\nCOMMIT\n" +
      "*nat\n-D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n-F DOCKER\n-X DOCKER\nCOMMIT\n",
  );
  expect(removal(after, after, "gt1")).toBe("");
});

test("leaves the chains when another dockerd uses them", () => {
  expect(removal(before, after.replace("-i gt1", "-i docker0"), "gt1")).toBe("");
});

test("finds rules of a bridge that is gone", () => {
  const left = after.replaceAll("gt1", "gt00aaff");
  expect(stale(left, () => true)).toBe("");
  expect(stale(left, () => false)).toBe(
    "*filter\n-D FORWARD -o gt00aaff -j DOCKER\nCOMMIT\n*nat\n-D DOCKER -i gt00aaff -j RETURN\nCOMMIT\n",
  );
  expect(stale(after, () => false)).toBe("");
});
