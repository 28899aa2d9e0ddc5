import { execFile } from "node:child_process";
import { join } from "node:path";
import { COMPILE_CACHE } from "./compile-cache.ts";
import { REPOSITORY } from "./state-directory.ts";

/*
 * Run by `npm ci`, so that the first `npm start` is as quick as the second: each program is loaded once, which leaves its
 * compiled code in the cache, and ends at once, since it has no configuration. What fails here is only slower later.
 */
const ENTRIES = [
  "catalog/main.ts",
  "federator/main.ts",
  "agents/main.ts",
  "agents/launcher/main.ts",
  "gateway/main.ts",
];
const LOAD_LIMIT_MS = 30_000;

for (const entry of ENTRIES) await load(join(REPOSITORY, entry));

function load(entry: string): Promise<void> {
  const environment = { PATH: process.env.PATH, NODE_COMPILE_CACHE: COMPILE_CACHE };
  return new Promise((resolve) => {
    execFile(process.execPath, [entry], { env: environment, timeout: LOAD_LIMIT_MS }, () =>
      resolve(),
    );
  });
}
