/** Names of containers: the rule for given ones, and a pleasant one for those who give none. */
import { randomInt } from "node:crypto";
import { invalid } from "../errors.ts";

const pattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Strips the slash that the API allows. Throws 400 with Docker's text. */
export function checkName(name: string): string {
  const bare = name.startsWith("/") ? name.slice(1) : name;
  if (!pattern.test(bare)) {
    throw invalid(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  }
  return bare;
}

const manners = (
  "able amber bold brave bright brisk calm candid clever coral crisp daring deft eager early fair fleet fond fresh gentle " +
  "glad golden grand happy hardy honest humble jolly keen kind lively loyal lucky mellow merry mighty modest neat nimble " +
  "noble patient plain polite proud quick quiet ready robust rustic sharp silent silver smart snug solid spry steady " +
  "sturdy sunny swift tidy trusty upbeat vivid warm wise witty zesty"
).split(" ");

const things = (
  "anchor barge beacon berth boom bosun bow brig buoy cable capstan cargo clipper compass coxswain crane cutter davit deck " +
  "derrick dock dory ferry fjord freighter funnel galley gangway halyard harbor hatch hawser helm hoist hull jetty keel " +
  "ketch lagoon lantern ledger lighter lock longshore mast mooring packet pallet pier pilot pontoon port propeller quay " +
  "rigging rudder sail schooner sextant skiff sling sloop spar spreader stern straddle tackle tender tide tiller topsail " +
  "transom trawler tugboat wharf winch yardarm"
).split(" ");

/** `brisk_derrick`; with a number when `taken` says that it is. */
export function inventName(taken: (name: string) => boolean): string {
  for (let tries = 0; ; tries++) {
    const name = `${manners[randomInt(manners.length)]}_${things[randomInt(things.length)]}${tries > 4 ? randomInt(1000) : ""}`;
    if (!taken(name)) return name;
  }
}
