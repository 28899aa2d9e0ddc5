import assert from "node:assert/strict";
import { mkdtemp, open, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext } from "node:test";
import { pino } from "pino";
import { codeFileName } from "#lib/ports/code-store.ts";
import type { CodeStoreConfig } from "../../federator/code-store-config.ts";
import { openCodeStore } from "../../federator/io/code/open-code-store.ts";
import { findEngine } from "../engines/find-engine.ts";
import { type RunningVersitygw, startVersitygw } from "../engines/start-versitygw.ts";
import { manualClock } from "../io/catalog/support/manual-clock.ts";
import { codeStoreContract, type OpenStore } from "./code-store.contract.ts";

const log = pino({ level: "silent" });
const engine = await findEngine("versitygw");

let s3: RunningVersitygw | undefined;
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "meridian-code-"));
  if (engine.kind === "found") s3 = await startVersitygw(engine.path, ["code"]);
});
after(async () => {
  await s3?.stop();
  await rm(folder, { recursive: true, force: true });
});

let opened = 0;
const openWith =
  (
    configOf: () => CodeStoreConfig,
    fileOf: (directory: string, digest: string) => Promise<string>,
  ): OpenStore =>
  async (context: TestContext) => {
    opened += 1;
    const codeDirectory = join(folder, String(opened));
    const clock = manualClock();
    const config = configOf();
    const reopen = async () => {
      const store = await openCodeStore(config, { zone: "eu-west", codeDirectory, clock, log });
      context.after(store.close);
      return store;
    };
    return {
      store: await reopen(),
      reopen,
      advance: clock.advance,
      damage: async (digest, change) => {
        const path = await fileOf(codeDirectory, digest);
        if (change === "cut-short") return await truncate(path, 20);
        const file = await open(path, "r+");
        await file.write(Buffer.from([0xff]), 0, 1, 40);
        await file.close();
      },
    };
  };

codeStoreContract(
  "directory code store",
  openWith(
    () => ({ kind: "directory" }),
    async (directory, digest) => join(directory, codeFileName(digest)),
  ),
);

const bucketConfig = (prefix: string): CodeStoreConfig => ({
  kind: "s3",
  endpoint: s3?.endpoint ?? "",
  region: "us-east-1",
  bucket: "code",
  prefix,
  credentialsFile: join(folder, "credentials.json"),
  forcePathStyle: true,
});
const objectsOf = async (prefix: string, digest: string): Promise<string[]> => {
  const objects = join(s3?.buckets ?? "", "code", prefix, digest.slice("sha256:".length));
  return (await readdir(objects)).map((name) => join(objects, name));
};
const writeCredentials = (): Promise<void> =>
  writeFile(join(folder, "credentials.json"), JSON.stringify(s3));

codeStoreContract(
  "S3 code store",
  async (context) => {
    await writeCredentials();
    const prefix = `case-${opened}/`;
    return openWith(
      () => bucketConfig(prefix),
      async (_directory, digest) => {
        const [object] = await objectsOf(prefix, digest);
        assert.ok(object !== undefined);
        return object;
      },
    )(context);
  },
  engine.kind === "missing" ? engine.reason : false,
);
