import { describe, expect, test } from "bun:test";
import { embeddedEndpoint } from "./endpoint.ts";
import { parseReference } from "./reference/reference.ts";
import type { Requester } from "./request.ts";
import { listTags } from "./tags.ts";

type Page = { body: unknown; link?: string };

/** Answers the pages in their order and notes what was asked for. */
async function list(pages: Page[]): Promise<{ tags: string[]; asked: string[] }> {
  const asked: string[] = [];
  const requester = {
    async ask({ path }: { path: string }) {
      const page = pages[Math.min(asked.length, pages.length - 1)]!;
      asked.push(path);
      const headers = new Headers(page.link === undefined ? {} : { Link: page.link });
      return { status: 200, statusText: "OK", headers, page };
    },
    read: async (answer: { page: Page }) =>
      new TextEncoder().encode(
        typeof answer.page.body === "string" ? answer.page.body : JSON.stringify(answer.page.body),
      ),
  } as unknown as Requester;
  const tags = await listTags(requester, { reference: parseReference("r.example/a"), endpoint: embeddedEndpoint() });
  return { tags, asked };
}

describe("listTags", () => {
  test("follows the pages by their queries alone", async () => {
    const { tags, asked } = await list([
      { body: { tags: ["a", "b"] }, link: '</v2/a/tags/list?n=2&last=b>; rel="next"' },
      { body: { tags: ["c"] }, link: "<https://elsewhere.example/v2/secret/tags/list?last=c>; rel=next" },
      { body: { tags: ["c", "d"] } },
    ]);
    expect(tags).toEqual(["a", "b", "c", "d"]);
    expect(asked).toEqual(["tags/list", "tags/list?n=2&last=b", "tags/list?last=c"]);
  });

  test("takes none for none, and stops where nothing new comes", async () => {
    expect((await list([{ body: { tags: null } }])).tags).toEqual([]);
    expect((await list([{ body: { tags: ["a"] }, link: '<?x=1>; rel="next"' }])).asked).toHaveLength(2);
    expect((await list([{ body: { tags: ["a"] }, link: '</other>; rel="prev"' }])).asked).toHaveLength(1);
  });

  test.each([["{"], ['{"tags":"a"}'], ['{"tags":[5]}'], ['{"tags":["../x"]}']])("refuses %s", async (body) => {
    await expect(list([{ body }])).rejects.toThrow("the list of tags is not one (pulling r.example/a");
  });
});
