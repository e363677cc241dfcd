/** The images that the server keeps: what `docker pull`, `images`, `tag`, `rmi` and `inspect` ask for. */
import type { ImageDeleteResponseItem } from "@docker/node-sdk";
import {
  familiarString,
  normalizePlatform,
  parseReference,
  type Reference,
} from "../../registry/reference/reference.ts";
import type { Platform } from "../../storage/content/content.ts";
import { now } from "../clock.ts";
import type { Images, ProgressMessage } from "../engine.ts";
import { conflict, invalid, notFound } from "../errors.ts";
import { shortId } from "../identifier.ts";
import { collect } from "./collect.ts";
import { describeHistory, describeImage, listImages } from "./describe.ts";
import { findImage, tagName } from "./find.ts";
import type { ImageRecord } from "./image.ts";
import { pruneImages } from "./prune.ts";
import { asEngineError, type PullParts, pullImage, pullReference } from "./pull.ts";
import type { ImageStore } from "./store.ts";

export interface ImagesParts extends PullParts {
  /** Containers that use an image: an ID each, and whether it runs. */
  users(image: ImageRecord): { id: string; running: boolean }[];
}

export interface ImageService extends Images {
  /** The image for a container. Throws 404 `No such image: …`. */
  find(ref: string): ImageRecord;
  readonly store: ImageStore;
}

interface SharedPull {
  listeners: Set<(message: ProgressMessage) => void>;
  sent: ProgressMessage[];
  controller: AbortController;
  done: Promise<unknown>;
}

export function createImages(parts: ImagesParts): ImageService {
  const { store, events } = parts;
  const pulls = new Map<string, SharedPull>();

  async function pull(image: string, options: PullRequest): Promise<void> {
    const reference = pullReference(image, options.tag);
    if (reference.tag || reference.digest) return pullOne(reference, options);
    // As in Docker's API: without a tag it is all of them.
    readPlatform(options.platform);
    const { credentials, signal, progress } = options;
    const asked = { ...(credentials ? { credentials } : {}), signal };
    const tags = await parts.registry.tags(reference, asked).catch((error: unknown) => {
      throw asEngineError(error);
    });
    if (tags.length === 0) throw notFound(`${familiarString(reference)} has no tags`);
    let newer = false;
    const withoutEnd = (message: ProgressMessage) => {
      newer ||= message.status?.startsWith("Status: Downloaded") === true;
      if (!message.status?.startsWith("Status: ")) progress(message);
    };
    for (const tag of tags) await pullOne({ ...reference, tag }, { ...options, progress: withoutEnd });
    const shown = familiarString(reference);
    progress({ status: `Status: ${newer ? "Downloaded newer image" : "Image is up to date"} for ${shown}` });
  }

  /** One pull for many who ask: it ends early only when the last of them goes. */
  async function pullOne(reference: Reference, options: PullRequest): Promise<void> {
    const platform = readPlatform(options.platform) ?? parts.platform;
    const key = JSON.stringify([familiarString(reference), platform, options.credentials ?? null]);
    let shared = pulls.get(key);
    if (!shared) {
      shared = beginPull(reference, platform, options.credentials);
      const mine = shared;
      pulls.set(key, shared);
      const forget = () => {
        if (pulls.get(key) === mine) pulls.delete(key);
      };
      shared.done.then(forget, forget);
    }
    const { listeners, controller, sent, done } = shared;
    const listener = options.progress;
    for (const message of sent) listener(message);
    listeners.add(listener);
    const leave = () => {
      listeners.delete(listener);
      if (listeners.size > 0) return;
      pulls.delete(key);
      controller.abort(new Error("the client went away"));
    };
    options.signal.addEventListener("abort", leave, { once: true });
    if (options.signal.aborted) leave();
    try {
      await done;
    } finally {
      listeners.delete(listener);
      options.signal.removeEventListener("abort", leave);
    }
  }

  function beginPull(reference: Reference, platform: Platform, credentials: PullCredentials): SharedPull {
    const listeners = new Set<(message: ProgressMessage) => void>();
    const sent: ProgressMessage[] = [];
    const progress = (message: ProgressMessage) => {
      // Those who come later need the layers' last states, not every step.
      if (message.id !== undefined && message.progressDetail !== undefined) {
        const at = sent.findIndex((one) => one.id === message.id);
        if (at >= 0) sent[at] = message;
        else sent.push(message);
      } else sent.push(message);
      for (const listener of listeners) listener(message);
    };
    const controller = new AbortController();
    const done = pullImage(parts, reference, {
      platform,
      ...(credentials ? { credentials } : {}),
      signal: controller.signal,
      progress,
    });
    return { listeners, sent, controller, done };
  }

  async function tag(ref: string, repository: string, tag: string | undefined): Promise<void> {
    const { image } = findImage(store, ref);
    let target: Reference;
    try {
      target = parseReference(tag ? `${repository}:${tag}` : repository);
    } catch (error) {
      throw invalid((error as Error).message);
    }
    if (target.digest) throw invalid("refusing to create a tag with a digest reference");
    store.tag(image.id, tagName(target), now());
    events.emit("image", "tag", image.id, {
      ...image.config.Labels,
      name: familiarString({ ...target, tag: target.tag ?? "latest" }),
    });
  }

  async function remove(
    ref: string,
    options: { force: boolean; noPrune: boolean },
  ): Promise<ImageDeleteResponseItem[]> {
    const { image, name } = findImage(store, ref);
    const users = parts.users(image);
    const tags = store.tagsOf(image.id);
    const answer: ImageDeleteResponseItem[] = [];
    if (name !== undefined) {
      const others = tags.filter((one) => one !== name);
      const used = users[0];
      if (others.length === 0 && used && !options.force) {
        throw conflict(
          `conflict: unable to remove repository reference ${JSON.stringify(ref)} (must force) - container ${shortId(used.id)} is using its referenced image ${shortId(image.id)}`,
        );
      }
      untag(image, [name, ...sameRepositoryDigests(image, name, others)], answer);
      if (others.length > 0 || users.length > 0) return answer;
    } else {
      const running = users.find((one) => one.running);
      const repositories = new Set(tags.map((one) => one.slice(0, one.lastIndexOf(":"))));
      if (running) {
        throw conflict(
          `conflict: unable to delete ${shortId(image.id)} (cannot be forced) - image is being used by running container ${shortId(running.id)}`,
        );
      }
      if (!options.force) {
        if (repositories.size > 1) {
          throw conflict(
            `conflict: unable to delete ${shortId(image.id)} (must be forced) - image is referenced in multiple repositories`,
          );
        }
        if (users[0]) {
          throw conflict(
            `conflict: unable to delete ${shortId(image.id)} (must be forced) - image is being used by stopped container ${shortId(users[0].id)}`,
          );
        }
      }
      untag(image, [...tags, ...store.digestsOf(image.id)], answer);
      if (users.length > 0) return answer;
    }
    await destroy(image, answer);
    return answer;
  }

  /** The digests of a repository go with its last tag. */
  function sameRepositoryDigests(image: ImageRecord, name: string, others: string[]): string[] {
    const repository = (one: string) =>
      one.includes("@") ? one.slice(0, one.indexOf("@")) : one.slice(0, one.lastIndexOf(":"));
    if (others.some((one) => repository(one) === repository(name))) return [];
    return store.digestsOf(image.id).filter((one) => one !== name && repository(one) === repository(name));
  }

  function untag(image: ImageRecord, names: string[], answer: ImageDeleteResponseItem[]): void {
    store.untag(names);
    for (const name of names) {
      answer.push({ Untagged: familiarString(parseReference(name)) });
      events.emit("image", "untag", image.id, { ...image.config.Labels, name: image.id });
    }
  }

  async function destroy(image: ImageRecord, answer: ImageDeleteResponseItem[]): Promise<void> {
    store.remove(image.id);
    answer.push({ Deleted: image.id });
    events.emit("image", "delete", image.id, { ...image.config.Labels, name: image.id });
    for (const diffId of await collect(parts, image)) answer.push({ Deleted: diffId });
  }

  return {
    pull,
    tag,
    remove,
    store,
    find: (ref) => findImage(store, ref).image,
    list: async (options) => listImages(parts, options),
    inspect: async (ref) => describeImage(parts, findImage(store, ref).image),
    history: async (ref) => describeHistory(parts, findImage(store, ref).image),
    prune: (filters) => pruneImages(parts, filters, { untag, destroy }),
  };
}

type PullRequest = Parameters<Images["pull"]>[1];
type PullCredentials = PullRequest["credentials"];

/** `linux/arm64/v8`. Throws 400. */
export function readPlatform(text: string | undefined): Platform | undefined {
  if (!text) return undefined;
  try {
    return normalizePlatform(text);
  } catch (error) {
    throw invalid((error as Error).message);
  }
}
