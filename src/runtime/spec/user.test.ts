import { expect, test } from "bun:test";
import { SpecError } from "./errors.ts";
import { resolveUser } from "./user.ts";

const passwd = `root:x:0:0:root:/root:/bin/sh
# a comment
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin

app:x:1000:1001:App,,,:/home/app:/bin/sh
1234:x:77:78::/n:
broken
bad:x:abc:0::/:
huge:x:4294967294:0::/:
`;
const group = `root:x:0:
daemon:x:1:app
users:x:100:other,app
app:x:1001:
video:x:44:app,root
`;

const ids = (user: string, groupAdd?: string[]) => {
  const { uid, gid, additionalGids } = resolveUser(passwd, group, user, groupAdd);
  return { uid, gid, additionalGids };
};

test("names, numbers, and both parts", () => {
  expect(ids("")).toEqual({ uid: 0, gid: 0, additionalGids: [0, 44] });
  expect(ids("app")).toEqual({ uid: 1000, gid: 1001, additionalGids: [1001, 1, 100, 44] });
  expect(ids("1000")).toEqual(ids("app"));
  expect(ids("app:users")).toEqual({ uid: 1000, gid: 100, additionalGids: [100] });
  expect(ids("app:5")).toEqual({ uid: 1000, gid: 5, additionalGids: [5] });
  expect(ids("5000")).toEqual({ uid: 5000, gid: 0, additionalGids: [0] });
  expect(ids("5000:6000")).toEqual({ uid: 5000, gid: 6000, additionalGids: [6000] });
  expect(ids(":users")).toEqual({ uid: 0, gid: 100, additionalGids: [100] });
  expect(ids("app", ["users", "9", "44"])).toEqual({ uid: 1000, gid: 1001, additionalGids: [1001, 1, 100, 44, 9] });
});

test("a name of digits is the name", () => {
  expect(ids("1234")).toEqual({ uid: 77, gid: 78, additionalGids: [78] });
});

test("the home and the name", () => {
  expect(resolveUser(passwd, group, "app")).toMatchObject({ home: "/home/app", name: "app" });
  expect(resolveUser(passwd, group, "4711").home).toBeUndefined();
});

test("without files only numbers and root", () => {
  expect(resolveUser("", "", "")).toMatchObject({ uid: 0, gid: 0, additionalGids: [0] });
  expect(resolveUser("", "", "7:8")).toMatchObject({ uid: 7, gid: 8 });
  expect(() => resolveUser("", "", "root")).toThrow("unable to find user root: no matching entries in passwd file");
});

test.each([
  ["foo", "unable to find user foo: no matching entries in passwd file"],
  ["app:foo", "unable to find group foo: no matching entries in group file"],
  ["2147483648", "uids and gids must be in range 0-2147483647"],
  ["0:2147483648", "uids and gids must be in range 0-2147483647"],
  ["huge", "uids and gids must be in range 0-2147483647"],
  ["-1", "unable to find user -1"],
  ["bad", "unable to find user bad"],
])("%s", (user, message) => {
  expect(() => resolveUser(passwd, group, user)).toThrow(message);
});

test("any text gives ids in range or an error of ours", () => {
  let seed = 77;
  const random = (n: number) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return (seed >> 8) % n;
  };
  const alphabet = "ab01:,\n#x \t-9é\0";
  const text = (length: number) =>
    Array.from({ length: random(length) }, () => alphabet[random(alphabet.length)]).join("");
  for (let i = 0; i < 3000; i++) {
    try {
      const { uid, gid, additionalGids } = resolveUser(text(80), text(80), text(6), [text(4)]);
      for (const id of [uid, gid, ...additionalGids]) {
        expect(Number.isInteger(id) && id >= 0 && id < 2 ** 31).toBe(true);
      }
    } catch (error) {
      expect(error).toBeInstanceOf(SpecError);
    }
  }
});
