/** The tags of a repository, page by page (distribution-spec 1.1, "Listing Tags"). */
import { nameOf } from "./endpoint.ts";
import { invalidAnswer, refusal } from "./errors.ts";
import type { Asked, Requester } from "./request.ts";

const maxPage = 4 << 20;
const maxPages = 1000;
const maxTags = 100_000;
const maxRefusal = 64 << 10;
const tagPattern = /^\w[\w.-]{0,127}$/;

/** In the registry's order. Throws RegistryError. */
export async function listTags(requester: Requester, base: Omit<Asked, "path">): Promise<string[]> {
  const { reference, endpoint } = base;
  const where = nameOf(endpoint);
  const tags = new Set<string>();
  let query = "";
  for (let page = 0; page < maxPages; page++) {
    const asked: Asked = { ...base, path: `tags/list${query}` };
    const answer = await requester.ask(asked);
    if (answer.status !== 200) {
      const body = await requester.read(answer, maxRefusal, asked).catch(() => new Uint8Array(0));
      throw refusal(answer, body, reference, where, false);
    }
    const found = parse(await requester.read(answer, maxPage, asked));
    if (found === undefined) throw invalidAnswer("the list of tags is not one", reference, where);
    for (const tag of found) tags.add(tag);
    if (tags.size > maxTags) throw invalidAnswer(`there are more than ${maxTags} tags`, reference, where);
    const next = nextQuery(answer.headers.get("link"));
    if (next === undefined || next === query) return [...tags];
    query = next;
  }
  throw invalidAnswer(`the list of tags has more than ${maxPages} pages`, reference, where);
}

function parse(bytes: Uint8Array): string[] | undefined {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  const list = (document as { tags?: unknown } | null)?.tags ?? [];
  return Array.isArray(list) && list.every((tag) => typeof tag === "string" && tagPattern.test(tag)) ? list : undefined;
}

/** Of `<…?n=100&last=b>; rel="next"` the query alone: the rest of the address stays what it was. */
function nextQuery(link: string | null): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(link ?? "")?.[1];
  if (target === undefined) return undefined;
  const at = target.indexOf("?");
  return at < 0 ? undefined : `?${new URLSearchParams(target.slice(at + 1))}`;
}
