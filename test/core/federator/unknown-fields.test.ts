import assert from "node:assert/strict";
import { test } from "node:test";
import { keys } from "#lib/contracts/catalog-keys.ts";
import type {
  AliasRecord,
  FunctionRecord,
  RolloutRecord,
  SecretNameRecord,
  SecretRecord,
} from "#lib/contracts/catalog-records.ts";
import type { ClusterRecord, PlanInputRecord } from "#lib/contracts/control-records.ts";
import type { QuotaRecord, QuotaRequestRecord } from "#lib/contracts/quota-records.ts";
import type { Transaction } from "#lib/ports/catalog.ts";
import type { FunctionState } from "../../../federator/core/functions/function-state.ts";
import { planAliasMove } from "../../../federator/core/functions/plan-alias-move.ts";
import { planClusterChange } from "../../../federator/core/leading/plan-cluster-change.ts";
import { planDeploy } from "../../../federator/core/functions/plan-deploy.ts";
import { withLease } from "../../../federator/core/quota/plan-grants.ts";
import { nextPlanInput } from "../../../federator/core/leading/plan-input.ts";
import { planQuotaDecision } from "../../../federator/core/quota/plan-quota-request.ts";
import {
  planAliasRemoval,
  planVersionRemoval,
} from "../../../federator/core/functions/plan-removals.ts";
import { planRollout, rolloutTransaction } from "../../../federator/core/functions/plan-rollout.ts";
import { planRolloutStart } from "../../../federator/core/functions/plan-rollout-start.ts";
import {
  planSecretChange,
  planSecretRemoval,
} from "../../../federator/core/functions/plan-secret.ts";
import { NO_PRECONDITION } from "../../../federator/core/functions/preconditions.ts";
import type { Held } from "../../../federator/core/transactions.ts";

/*
 * A zone may run the version before the one that wrote a record. Whatever it changes, what it does not know stays: every record
 * here carries a field of the future, and every plan that writes the record again must write that too.
 */
const FUTURE = { ofTheFuture: { kept: ["by", "everybody"] } };
const NOW_MS = 1_795_700_000_000;
const held = <T extends object>(value: T): Held<T & typeof FUTURE> => ({
  value: { ...value, ...FUTURE },
  modRevision: 7,
});

const OF_FUNCTION = { tenant: "demo", functionName: "hello" };
const record = held<FunctionRecord>({
  tenant: "demo",
  name: "hello",
  latestVersion: 3,
  createdAtMs: 1,
});
const alias = (name: string, version: number) =>
  held<AliasRecord>({ ...OF_FUNCTION, alias: name, version, updatedAtMs: 1 });
const LIVE = alias("live", 2);
const rollout = held<RolloutRecord>({
  ...OF_FUNCTION,
  id: "ro-00000000",
  alias: "live",
  fromVersion: 2,
  toVersion: 3,
  state: "running",
  zones: ["eu-west"],
  stepPercents: [50, 100],
  zoneIndex: 0,
  stepIndex: 0,
  stepMsMin: 1,
  stepCallsMin: 1,
  reason: "",
  startedBy: "key x",
  startedAtMs: 1,
  changedAtMs: 1,
});
const state = {
  record,
  former: undefined,
  aliases: [LIVE, alias("beta", 1)],
  rollouts: [],
  versions: [1, 2, 3],
} satisfies FunctionState;
const secretName = held<SecretNameRecord>({
  tenant: "demo",
  name: "token",
  latestRevision: 1,
  isRemoved: false,
  changedBy: "key x",
  changedAtMs: 1,
});
const secret = held<SecretRecord>({
  tenant: "demo",
  name: "token",
  revision: 1,
  keyId: "k",
  wrappedKey: "",
  nonce: "",
  ciphertext: "",
  createdBy: "key x",
  createdAtMs: 1,
});
const request = held<QuotaRequestRecord>({
  id: "qr-00000000",
  tenant: "demo",
  quotaCode: "burst",
  currentValue: 10,
  desiredValue: 20,
  reason: "more",
  state: "PENDING",
  requestedBy: "key x",
  requestedAtMs: 1,
  decidedBy: null,
  decidedAtMs: null,
  decisionReason: null,
});
const quota = held<QuotaRecord>({
  tenant: "demo",
  limits: { "requests-per-second": 1, burst: 10, concurrency: 1 },
});
const cluster = held<ClusterRecord>({
  clusterId: "eu-west-1",
  mode: "draining",
  reason: "",
  changedBy: "key x",
  changedAtMs: 1,
});
const planInput = held<PlanInputRecord>({ rampPercent: {} });

/** A plan that does not plan is not what is tested here. */
function transactionOf(plan: { readonly kind: string; readonly transaction?: Transaction }) {
  assert.ok(plan.transaction !== undefined, plan.kind);
  return plan.transaction;
}
const decide = (verb: "approve" | "deny") =>
  transactionOf(planQuotaDecision(request, quota, { verb, actor: "key y", reason: null }, NOW_MS));
const FENCE = { kind: "created-at", key: keys.leader(), revision: 1 } as const;
const arms = (calls: number) =>
  (["canary", "control"] as const).map((arm) => ({
    rolloutId: rollout.value.id,
    step: "0.0",
    arm,
    calls,
    errors: 0,
    latencyCounts: [],
  }));
const rolled = (from: Held<RolloutRecord>, calls: number) =>
  rolloutTransaction(
    planRollout(from.value, { arms: arms(calls), stepForMs: 9 }, NOW_MS),
    from,
    LIVE,
    FENCE,
  ) ?? assert.fail("nothing was planned");
const lastStep: Held<RolloutRecord> = {
  ...rollout,
  value: { ...rollout.value, stepPercents: [50] },
};

interface Writer {
  readonly name: string;
  readonly transaction: () => Transaction;
  /** Records that it writes again. */
  readonly rewrites: readonly string[];
}
const functionKey = keys.function("demo", "hello");
const aliasKey = (name: string) => keys.alias("demo", "hello", name);
const rolloutKey = keys.rollout("demo", "hello", "live");
const writers: readonly Writer[] = [
  {
    name: "a deploy",
    transaction: () =>
      transactionOf(
        planDeploy(
          state,
          {
            ...OF_FUNCTION,
            codeDigest: `sha256:${"0".repeat(64)}`,
            codeBytes: 1,
            manifest: {
              name: "hello",
              runtime: "node",
              handler: "index.handler",
              memoryMegabytes: 128,
              timeoutMs: 3_000,
              concurrency: 1,
              idempotent: true,
              environment: {},
              placement: { regions: [], tier: "normal", clustersMin: 1 },
              httpAuth: "key",
              contentType: "application/json",
            },
            alias: "live",
            secrets: [secret.value],
            precondition: NO_PRECONDITION,
          },
          NOW_MS,
        ),
      ),
    rewrites: [functionKey, aliasKey("live"), keys.secret("demo", "token", 1)],
  },
  {
    name: "an alias that is moved",
    transaction: () =>
      transactionOf(
        planAliasMove(state, { alias: "live", version: 1, precondition: NO_PRECONDITION }, NOW_MS),
      ),
    rewrites: [aliasKey("live")],
  },
  {
    name: "an alias that is made",
    transaction: () =>
      transactionOf(
        planAliasMove(state, { alias: "new", version: 1, precondition: NO_PRECONDITION }, NOW_MS),
      ),
    rewrites: [functionKey],
  },
  {
    name: "an alias that is removed",
    transaction: () => transactionOf(planAliasRemoval(state, "beta", NO_PRECONDITION)),
    rewrites: [functionKey],
  },
  {
    name: "a version that is removed",
    transaction: () =>
      transactionOf(planVersionRemoval(state, held({ version: 3 }), NO_PRECONDITION)),
    rewrites: [functionKey],
  },
  {
    name: "a rollout that starts",
    transaction: () =>
      transactionOf(
        planRolloutStart(
          state,
          {
            id: "ro-11111111",
            alias: "live",
            version: 3,
            startedBy: "key x",
            precondition: NO_PRECONDITION,
          },
          ["eu-west"],
          NOW_MS,
        ),
      ),
    rewrites: [functionKey],
  },
  {
    name: "a step of a rollout",
    transaction: () => rolled(rollout, 1_000),
    rewrites: [rolloutKey],
  },
  {
    name: "a rollout that waits for calls",
    transaction: () => rolled(rollout, 0),
    rewrites: [rolloutKey],
  },
  {
    name: "the end of a rollout",
    transaction: () => rolled(lastStep, 1_000),
    rewrites: [rolloutKey, aliasKey("live")],
  },
  {
    name: "a secret that is changed",
    transaction: () =>
      transactionOf(
        planSecretChange(
          { name: secretName, revisions: [secret] },
          { ...secret.value, revision: 2 },
          new Map(),
          NO_PRECONDITION,
          undefined,
        ),
      ),
    rewrites: [keys.secretName("demo", "token")],
  },
  {
    name: "a secret that is removed",
    transaction: () =>
      transactionOf(
        planSecretRemoval({ name: secretName, revisions: [secret] }, new Map(), NO_PRECONDITION, {
          actor: "key x",
          wallMs: NOW_MS,
        }),
      ),
    rewrites: [keys.secretName("demo", "token")],
  },
  {
    name: "a quota that is approved",
    transaction: () => decide("approve"),
    rewrites: [keys.quotaRequest(request.value.id), keys.quota("demo")],
  },
  {
    name: "a quota that is denied",
    transaction: () => decide("deny"),
    rewrites: [keys.quotaRequest(request.value.id)],
  },
  {
    name: "a cluster that returns to service",
    transaction: () =>
      transactionOf(
        planClusterChange(
          { verb: "undrain", clusterId: "eu-west-1", reason: "", actor: "key x", force: false },
          [
            {
              clusterId: "eu-west-1",
              verdict: {
                clusterId: "eu-west-1",
                state: "up",
                cause: "first-seen",
                evidence: [],
                decidedBy: "eu-west",
                decidedAtMs: 1,
                flaps: 0,
              },
              record: cluster,
            },
          ],
          planInput,
          NOW_MS,
        ),
      ),
    rewrites: [keys.cluster("eu-west-1"), keys.planInput()],
  },
];
for (const { name, transaction, rewrites } of writers)
  test(`${name} keeps the fields of records that it does not know`, () => {
    const { operations } = transaction();
    for (const key of rewrites) {
      const operation = operations.find((one) => one.key === key);
      assert.ok(operation?.kind === "put", `${key} is written`);
      assert.deepEqual(JSON.parse(operation.value).ofTheFuture, FUTURE.ofTheFuture, key);
    }
  });

test("the plan's input and the grants of a zone keep what their writers do not know", () => {
  const zone = { name: "eu-west", region: "eu-west", jurisdiction: "eu", clusterId: "eu-west-1" };
  const next = nextPlanInput(
    planInput.value,
    [{ zone: "eu-west", capacitySlots: 64 }],
    [{ ...zone, latitudeDegrees: 0, longitudeDegrees: 0 }],
  );
  assert.deepEqual({ ...FUTURE, ...next }, next);
  const grant = { floorMillionths: 1, leaseMillionths: 2, ...FUTURE };
  assert.deepEqual(withLease({ "eu-west": grant }, "eu-west", 3), {
    "eu-west": { ...grant, leaseMillionths: 3 },
  });
});
