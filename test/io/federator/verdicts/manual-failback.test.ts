import assert from "node:assert/strict";
import { test } from "node:test";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type { AliasRecord, FunctionRecord, VersionRecord } from "#lib/contracts/catalog-records.ts";
import type { Operation } from "#lib/ports/catalog.ts";
import { manifestOf } from "../../../simulation/world/manifest.ts";
import { startThreeZones } from "../support/three-zones.ts";
import { until } from "../support/until.ts";

const put = (key: string, record: object): Operation => ({
  kind: "put",
  key,
  value: JSON.stringify(record),
});

/** A function whose first version waits for an operator; the second does not. */
function loyalFunction(): readonly Operation[] {
  const own = { tenant: "demo", functionName: "loyal" };
  const manifest = manifestOf("loyal");
  const version = (number: number, failback: "manual" | "automatic"): VersionRecord => ({
    ...own,
    version: number,
    codeDigest: `sha256:${"0".repeat(64)}`,
    codeBytes: 1,
    manifest: { ...manifest, placement: { ...manifest.placement, failback } },
    createdAtMs: 1,
  });
  const record: FunctionRecord = {
    tenant: "demo",
    name: "loyal",
    latestVersion: 2,
    createdAtMs: 1,
  };
  return [
    put(keys.function("demo", "loyal"), record),
    put(keys.version("demo", "loyal", 1), version(1, "manual")),
    put(keys.version("demo", "loyal", 2), version(2, "automatic")),
    liveIs(1),
  ];
}

function liveIs(version: number): Operation {
  const alias: AliasRecord = {
    tenant: "demo",
    functionName: "loyal",
    alias: "live",
    version,
    updatedAtMs: version,
  };
  return put(keys.alias("demo", "loyal", "live"), alias);
}

test("a lost cluster that is back waits for an operator for as long as some function does", async () => {
  const federation = await startThreeZones({}, async (catalog) => {
    await catalog.txn({ compares: [], operations: loyalFunction() });
  });
  const waits = async () => (await federation.record(keys.planInput()))?.["awaitsFailback"];
  const shown = async () => (await federation.zone("us-east").status()).cluster?.awaitsRelease;
  try {
    await until("every cluster is seen", federation.allInService);
    await federation.zone("us-east").killAgent();
    await until("the verdict is down", async () => !(await federation.isInService("us-east")));
    await federation.zone("us-east").startAgent();
    await until("it is back", async () => federation.isInService("us-east"));
    await until("its ramp is over", async () => {
      const input = await federation.record(keys.planInput());
      return JSON.stringify(input?.["rampPercent"]) === "{}";
    });
    assert.deepEqual(await waits(), ["us-east-1"]);
    await until("that is shown", async () => (await shown()) === true);

    await federation.catalog.txn({ compares: [], operations: [liveIs(2)] });
    await until("nobody waits any more", async () => JSON.stringify(await waits()) === "[]");
    await until("nor is it shown", async () => (await shown()) === false);
  } finally {
    await federation.stop();
  }
});
