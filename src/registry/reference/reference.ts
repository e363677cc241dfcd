/**
 * Image references: the grammar of the distribution project (reference/reference.go names its rules) with Docker's
 * defaults: `redis` is `docker.io/library/redis:latest`.
 */
import type { Digest } from "../../storage/content/content.ts";

export interface Reference {
  /** `docker.io`, `localhost:5000`, … */
  domain: string;
  /** `library/redis` */
  path: string;
  tag?: string;
  digest?: Digest;
}
