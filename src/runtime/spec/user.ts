/** `--user`, USER and `--group-add` against a container's own passwd and group: Docker's rules and texts. */
import { SpecError } from "./errors.ts";

export interface ResolvedUser {
  uid: number;
  gid: number;
  additionalGids: number[];
  /** The home folder that passwd names; undefined when the user is not in it. */
  home?: string;
  /** The name that passwd has for the uid. */
  name?: string;
}

const largestId = 2 ** 31 - 1;

interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

interface GroupEntry {
  name: string;
  gid: number;
  members: string[];
}

/**
 * `user` is `name|uid[:group|gid]`, "" for root. The texts are those of the container's files, "" for a missing one, and
 * bounded by who read them; lines that are no entries are passed over.
 */
export function resolveUser(passwd: string, group: string, user: string, groupAdd: string[] = []): ResolvedUser {
  const colon = user.indexOf(":");
  const userPart = colon === -1 ? user : user.slice(0, colon);
  const groupPart = colon === -1 ? "" : user.slice(colon + 1);
  const groups = parseGroup(group);

  const wantedUid = numeric(userPart);
  const entry = parsePasswd(passwd).find((candidate) =>
    userPart === ""
      ? candidate.uid === 0
      : // A number that is a name, too, means the name.
        candidate.name === userPart || candidate.uid === wantedUid,
  );
  if (entry === undefined && userPart !== "" && wantedUid === undefined) {
    throw new SpecError(`unable to find user ${userPart}: no matching entries in passwd file`);
  }
  const uid = entry?.uid ?? wantedUid ?? 0;
  checkRange(uid, userPart);

  let gid = entry?.gid ?? 0;
  const additional = new Set<number>();
  if (groupPart !== "") {
    gid = findGroup(groups, groupPart);
  } else if (entry !== undefined) {
    for (const candidate of groups) {
      if (candidate.members.includes(entry.name) && candidate.gid <= largestId) additional.add(candidate.gid);
    }
  }
  checkRange(gid, groupPart);
  for (const name of groupAdd) additional.add(findGroup(groups, name));
  return {
    uid,
    gid,
    additionalGids: [gid, ...[...additional].filter((id) => id !== gid)],
    ...(entry === undefined ? {} : { home: entry.home, name: entry.name }),
  };
}

function findGroup(groups: GroupEntry[], wanted: string): number {
  const id = numeric(wanted);
  const entry = groups.find((candidate) => candidate.name === wanted || candidate.gid === id);
  if (entry === undefined && id === undefined) {
    throw new SpecError(`unable to find group ${wanted}: no matching entries in group file`);
  }
  const gid = entry?.gid ?? id!;
  checkRange(gid, wanted);
  return gid;
}

function parsePasswd(text: string): PasswdEntry[] {
  const entries: PasswdEntry[] = [];
  for (const line of lines(text)) {
    const fields = line.split(":");
    const [uid, gid] = [numeric(fields[2] ?? ""), numeric(fields[3] ?? "")];
    if (fields[0] === "" || uid === undefined || gid === undefined) continue;
    entries.push({ name: fields[0]!, uid, gid, home: fields[5] ?? "" });
  }
  return entries;
}

function parseGroup(text: string): GroupEntry[] {
  const entries: GroupEntry[] = [];
  for (const line of lines(text)) {
    const fields = line.split(":");
    const gid = numeric(fields[2] ?? "");
    if (fields[0] === "" || gid === undefined) continue;
    entries.push({ name: fields[0]!, gid, members: (fields[3] ?? "").split(",").filter(Boolean) });
  }
  return entries;
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

function numeric(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function checkRange(id: number, given: string): void {
  if (id > largestId) {
    throw new SpecError(
      `uids and gids must be in range 0-${largestId}: ${JSON.stringify(given === "" ? String(id) : given)}`,
    );
  }
}
