import { randomInt } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import { ShiftRecord } from "#lib/contracts/control-records.ts";
import { CreateShift } from "#lib/contracts/operator-api.ts";
import { MeridianError } from "#lib/errors.ts";
import { planShift, type ShiftPlan } from "../../../core/leading/plan-shift.ts";
import { present, remove } from "../../../core/transactions.ts";
import { type Api, type ApiPorts, callerOf, changeBy } from "../api-context.ts";
import { commitChange, untilEnforced } from "../commit-change.ts";
import { fetchRecord, fetchRecords, readShift, valuesOf } from "../../read-records.ts";
import { noSuchCluster } from "./clusters.ts";
import { JSON_BODY_BYTES_MAX } from "./schemas.ts";

const ShiftPath = Type.Object(
  { id: Type.String({ maxLength: 64 }) },
  { additionalProperties: false },
);
const ID_LENGTH = 10;

/** Shares of clusters' calls that an operator moves elsewhere for a while. */
export function shiftRoutes(api: Api, ports: ApiPorts): void {
  const { catalog, replica, clock } = ports;

  api.get(
    "/v1/shifts",
    {
      config: { action: "shifts.read" },
      schema: {
        response: {
          200: Type.Object({ items: Type.Array(ShiftRecord) }, { additionalProperties: false }),
        },
      },
    },
    async () => ({ items: valuesOf(replica.list(prefixes.shifts), readShift) }),
  );

  api.post(
    "/v1/shifts",
    {
      config: { action: "shifts.change" },
      bodyLimit: JSON_BODY_BYTES_MAX,
      schema: { body: CreateShift, response: { 201: ShiftRecord } },
    },
    async (request, reply): Promise<ShiftRecord> => {
      const record = await createShift(ports, request, request.body);
      reply.code(201);
      return record;
    },
  );

  api.delete(
    "/v1/shifts/:id",
    {
      config: { action: "shifts.change" },
      schema: { params: ShiftPath },
    },
    async (request, reply) => {
      const { id } = request.params;
      const key = keys.shift(id);
      const committed = await commitChange(ports, async () => {
        const found = await fetchRecord(catalog, key);
        if (found === undefined)
          throw new MeridianError(
            "MERIDIAN_NOT_FOUND",
            `There is no shift ${JSON.stringify(id)}; it may have ended by itself.`,
          );
        return {
          transaction: { compares: [present(key)], operations: [remove(key)] },
          change: changeBy(request, "shifts.remove", null, id, clock.wallMs()),
          outcome: found.leaseId,
        };
      });
      // Nothing hangs on the lease any more; it would only live on for its time.
      if (committed.outcome !== null)
        await catalog
          .revokeLease(committed.outcome)
          .catch((error: unknown) => ports.log.info({ err: error }, "a lease was left to expire"));
      await untilEnforced(ports, committed.revision);
      return reply.code(204).send();
    },
  );
}

async function createShift(
  ports: ApiPorts,
  request: Pick<FastifyRequest, "id" | "caller">,
  { fromCluster, toCluster = null, percent, minutes, reason }: CreateShift,
): Promise<ShiftRecord> {
  const { catalog, zones, clock } = ports;
  const { actor } = callerOf(request);
  const clusterIds = zones.map(({ clusterId }) => clusterId);
  const wish = { id: newShiftId(), fromCluster, toCluster, percent, minutes, reason, actor };
  const planWith = async (leaseId: string) => {
    const guardRevision = (await fetchRecord(catalog, keys.shiftGuard()))?.modRevision;
    const shifts = valuesOf(await fetchRecords(catalog, prefixes.shifts), readShift);
    const standing = { guardRevision, shifts };
    const plan = planShift({ ...wish, leaseId }, clusterIds, standing, clock.wallMs());
    if (plan.kind !== "shift") throw refusal(plan, fromCluster, ports);
    return plan;
  };
  // What cannot be is refused before anything is made in the catalog.
  await planWith("");
  const leaseId = await catalog.grantLease(minutes * 60_000);
  try {
    const committed = await commitChange(ports, async () => {
      const { transaction, record } = await planWith(leaseId);
      const detail = { fromCluster, toCluster, percent, minutes, reason };
      const change = changeBy(request, "shifts.add", null, wish.id, clock.wallMs(), detail);
      return { transaction, change, outcome: record };
    });
    await untilEnforced(ports, committed.revision);
    return committed.outcome;
  } catch (error) {
    // Ends also what was written by a transaction whose answer was lost.
    await catalog.revokeLease(leaseId).catch(() => undefined);
    throw error;
  }
}

function refusal(
  plan: Exclude<ShiftPlan, { kind: "shift" }>,
  fromCluster: string,
  { zones }: Pick<ApiPorts, "zones">,
): MeridianError {
  switch (plan.kind) {
    case "unknown-cluster":
      return noSuchCluster(plan.clusterId, zones);
    case "onto-itself":
      return new MeridianError(
        "MERIDIAN_BAD_REQUEST",
        `A shift from ${fromCluster} onto itself moves nothing; name another cluster or none.`,
      );
    case "more-than-all":
      return new MeridianError(
        "MERIDIAN_CONFLICT",
        `Other shifts move ${plan.shiftedPercent} % of ${fromCluster}'s calls already, and there are only 100; remove one first.`,
      );
    case "too-many":
      return new MeridianError(
        "MERIDIAN_LIMIT_REACHED",
        "There are as many shifts as there may be; remove one first.",
      );
  }
}

/** Short enough to type, in the letters of base 36. */
const newShiftId = (): string =>
  `sh-${Array.from({ length: ID_LENGTH }, () => randomInt(36).toString(36)).join("")}`;
