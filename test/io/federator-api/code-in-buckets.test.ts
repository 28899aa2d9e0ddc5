import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { openCodeStore } from "../../../federator/io/code/open-code-store.ts";
import { findEngine } from "../../engines/find-engine.ts";
import { type RunningVersitygw, startVersitygw } from "../../engines/start-versitygw.ts";
import { digestOf, zipOf } from "./archives.ts";
import {
  type Answer,
  assertProblem,
  bootTokenHeader,
  call,
  startZones,
  receiptOf,
} from "./zones.ts";
import type { TestFederation, TestZone } from "./zones.ts";

const ZONES = ["eu-west", "us-east", "ap-south"];
const archive = zipOf([{ name: "index.mjs", content: "export const handler = () => 1;" }]);
const digest = digestOf(archive);
const engine = await findEngine("versitygw");

describe(
  "code of functions in buckets",
  { skip: engine.kind === "missing" ? engine.reason : false },
  () => {
    let folder: string;
    let s3: RunningVersitygw;
    before(async () => {
      assert.ok(engine.kind === "found");
      folder = await mkdtemp(join(tmpdir(), "meridian-buckets-"));
      s3 = await startVersitygw(engine.path, [...ZONES, "shared"]);
      const { accessKeyId, secretAccessKey } = s3;
      await writeFile(join(folder, "s3.json"), JSON.stringify({ accessKeyId, secretAccessKey }));
    });
    after(async () => {
      await s3.stop();
      await rm(folder, { recursive: true, force: true });
    });

    const start = (bucketOf: (zone: string) => string, zonesHeld?: string[]) =>
      startZones(ZONES, (ground) =>
        openCodeStore(
          {
            kind: "s3",
            endpoint: s3.endpoint,
            region: "us-east-1",
            bucket: bucketOf(ground.zone),
            prefix: "code/",
            credentialsFile: join(folder, "s3.json"),
            forcePathStyle: true,
            ...(zonesHeld !== undefined && { zonesHeld }),
          },
          ground,
        ),
      );
    const deploy = async ({ keys }: TestFederation, zone: TestZone): Promise<Answer> => {
      const { demo } = keys;
      await call(zone, demo, "PUT", `/v1/tenants/demo/code/${digest}`, archive);
      const manifest = { name: "kept", placement: {} };
      const path = "/v1/tenants/demo/functions/kept/versions";
      return call(zone, demo, "POST", path, {
        codeDigest: digest,
        codeReceipt: receiptOf(digest),
        manifest,
      });
    };
    const zonesOf = ({ zones }: TestFederation): readonly [TestZone, TestZone] => {
      const [first, second] = zones;
      assert.ok(first !== undefined && second !== undefined);
      return [first, second];
    };

    test("a deploy is answered once each zone's bucket has the archive; a zone lost with its bucket loses no code", async () => {
      const federation = await start((zone) => zone);
      const [eu, us] = zonesOf(federation);
      try {
        const answer = await deploy(federation, eu);
        assert.equal(answer.status, 201, JSON.stringify(answer.body));
        assert.deepEqual(answer.body.codeZones, ZONES);
        for (const zone of ZONES)
          assert.deepEqual(await readdir(join(s3.buckets, zone, "code")), [digest.slice(7)], zone);
        await eu.stop();
        await rm(join(s3.buckets, "eu-west"), { recursive: true });
        const path = `${us.url}/internal/code/${digest}`;
        const got = await fetch(path, { headers: bootTokenHeader });
        assert.deepEqual(Buffer.from(await got.arrayBuffer()), archive);
        const again = await deploy(federation, us);
        assert.deepEqual(again.body.codeZones, ["us-east", "ap-south"]);
      } finally {
        await federation.stop();
      }
    });

    test("one bucket that lies in one zone is one copy: nothing is deployed on it that needs two", async () => {
      const federation = await start(() => "shared", ["eu-west"]);
      const [eu] = zonesOf(federation);
      try {
        const answer = await deploy(federation, eu);
        assertProblem(answer, 503, "MERIDIAN_CODE_NOT_DURABLE", /1 of the 2 zones/);
        const seen = await call(eu, federation.keys.demo, "GET", "/v1/tenants/demo/functions/kept");
        assert.equal(seen.status, 404);
      } finally {
        await federation.stop();
      }
    });

    test("one bucket whose writes are in two zones is two copies", async () => {
      const federation = await start(() => "shared", ["eu-west", "us-east"]);
      const [, us] = zonesOf(federation);
      try {
        const answer = await deploy(federation, us);
        assert.equal(answer.status, 201, JSON.stringify(answer.body));
        assert.deepEqual(answer.body.codeZones, ["eu-west", "us-east"]);
      } finally {
        await federation.stop();
      }
    });
  },
);
