import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "#lib/io/free-ports.ts";
import { type RunningEngine, runEngine } from "./run-engine.ts";

export interface RunningVersitygw extends RunningEngine {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Each bucket is a folder here, and each object a file in it. */
  readonly buckets: string;
}

/** A real S3 server on a free loopback port, its objects in a temporary folder, with the buckets that are named. */
export async function startVersitygw(
  program: string,
  buckets: readonly string[],
): Promise<RunningVersitygw> {
  const port = await freePorts(1);
  const endpoint = `http://127.0.0.1:${port}`;
  const [accessKeyId, secretAccessKey] = ["meridian-test", "a-secret-of-the-tests"];
  const engine = await runEngine({
    program,
    argv: (folder) => {
      const root = join(folder, "buckets");
      for (const bucket of buckets) mkdirSync(join(root, bucket), { recursive: true });
      return ["--port", `127.0.0.1:${port}`, "--quiet", "--keep-alive", "posix", root];
    },
    environment: { ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey },
    // Without a signature it refuses, which is an answer.
    isReady: async (signal) => (await fetch(endpoint, { signal })).status > 0,
  });
  const root = join(engine.folder, "buckets");
  return { ...engine, endpoint, accessKeyId, secretAccessKey, buckets: root };
}
