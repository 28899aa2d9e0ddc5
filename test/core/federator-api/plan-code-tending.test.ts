import assert from "node:assert/strict";
import { test } from "node:test";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { Value } from "typebox/value";
import { planCodeTending, STAGED_KEPT_MS } from "../../../federator/core/plan-code-tending.ts";
import { ZONES } from "../../io/federator-api/zones.ts";

const version = (codeDigest: string, regions: string[]) => {
  const manifest = Value.Default(FunctionManifest, { name: "f", placement: { regions } });
  assert.ok(Value.Check(FunctionManifest, manifest));
  const base = { tenant: "demo", functionName: "f", version: 1, codeBytes: 1, createdAtMs: 0 };
  return { ...base, codeDigest, manifest };
};
const nowMs = 100 * STAGED_KEPT_MS;
const old = (digest: string) => ({ digest, storedAtMs: 0 });
const fresh = (digest: string) => ({ digest, storedAtMs: nowMs - 1 });

const cases = [
  {
    name: "missing code of a version is fetched",
    versions: [version("a", [])],
    stored: [],
    fetch: ["a"],
    remove: [],
  },
  {
    name: "code that may not lie here is not fetched",
    versions: [version("a", ["us"])],
    stored: [],
    fetch: [],
    remove: [],
  },
  {
    name: "code in use stays, however old",
    versions: [version("a", ["eu"])],
    stored: [old("a")],
    fetch: [],
    remove: [],
  },
  {
    name: "code that no version uses goes",
    versions: [],
    stored: [old("a")],
    fetch: [],
    remove: ["a"],
  },
  {
    name: "code just staged may wait for its version",
    versions: [],
    stored: [fresh("a")],
    fetch: [],
    remove: [],
  },
  {
    name: "code staged here for another residency goes",
    versions: [version("a", ["us"])],
    stored: [old("a")],
    fetch: [],
    remove: ["a"],
  },
  {
    name: "code that another version may keep here stays",
    versions: [version("a", ["us"]), version("a", [])],
    stored: [old("a")],
    fetch: [],
    remove: [],
  },
];
for (const { name, versions, stored, fetch, remove } of cases)
  test(name, () => {
    assert.deepEqual(planCodeTending("eu-west", ZONES, versions, stored, nowMs), { fetch, remove });
  });
