import { createHash, randomBytes } from "node:crypto";

/** 256 random bits behind a readable prefix: `mk_demo_…`. High entropy needs no slow hash. */
export const newApiKey = (owner: string): string =>
  `mk_${owner.slice(0, 24)}_${randomBytes(32).toString("base64url")}`;

/** What is stored and looked up in place of the key. */
export const hashApiKey = (apiKey: string): string =>
  createHash("sha256").update(apiKey).digest("hex");

/** The part of a key that may be shown. */
export const apiKeyPrefix = (apiKey: string): string => apiKey.slice(0, 12);
