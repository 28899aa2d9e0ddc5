import { setTimeout as sleep } from "node:timers/promises";
import { Type } from "typebox";
import type { StartRollout } from "#lib/contracts/api.ts";
import { RolloutRecord } from "#lib/contracts/catalog-records.ts";
import { functionPath, type TenantConnection } from "./connect.ts";

const RolloutPage = Type.Object({ items: Type.Array(RolloutRecord) });
const WATCH_INTERVAL_MS = 1_000;

export interface RolloutName {
  readonly functionName: string;
  readonly alias: string;
}

export const startRollout = (
  connection: TenantConnection,
  { functionName, alias }: RolloutName,
  wish: StartRollout,
): Promise<RolloutRecord> =>
  connection.client.json(RolloutRecord, {
    method: "POST",
    path: `${functionPath(connection, functionName)}/aliases/${alias}:rollout`,
    json: wish,
  });

/** Sends all calls to the version before again. */
export const cancelRollout = (
  connection: TenantConnection,
  { functionName, alias }: RolloutName,
): Promise<RolloutRecord> =>
  connection.client.json(RolloutRecord, {
    method: "POST",
    path: `${functionPath(connection, functionName)}/aliases/${alias}:cancel-rollout`,
    json: {},
  });

/** The newest of each alias. */
export async function listRollouts(
  connection: TenantConnection,
  functionName: string,
): Promise<readonly RolloutRecord[]> {
  const path = `${functionPath(connection, functionName)}/rollouts`;
  return (await connection.client.json(RolloutPage, { path })).items;
}

export async function findRunning(
  connection: TenantConnection,
  { functionName, alias }: RolloutName,
): Promise<RolloutRecord | undefined> {
  const rollouts = await listRollouts(connection, functionName);
  return rollouts.find((one) => one.alias === alias && one.state === "running");
}

/** Tells of each change until the rollout has ended, and gives it as it was then. */
export async function watchRollout(
  connection: TenantConnection,
  rollout: RolloutRecord,
  onChange: (rollout: RolloutRecord) => void,
): Promise<RolloutRecord> {
  let told = "";
  for (;;) {
    const rollouts = await listRollouts(connection, rollout.functionName);
    const now = rollouts.find(({ id }) => id === rollout.id);
    // Another one has taken its place: this one is over, however it ended.
    if (now === undefined) return rollout;
    const text = describeRollout(now);
    if (text !== told) onChange(now);
    told = text;
    if (now.state !== "running") return now;
    await sleep(WATCH_INTERVAL_MS);
  }
}

/** `ap-south 25 % (zone 1 of 3)` while it runs, else how it ended. */
export function describeRollout(rollout: RolloutRecord): string {
  const { functionName, alias, fromVersion, toVersion, state, reason } = rollout;
  const subject = `${functionName}@${alias} ${fromVersion} → ${toVersion}`;
  const why = reason === "" ? "" : `: ${reason}`;
  return `${subject}  ${state === "running" ? describeProgress(rollout) : state}${why}`;
}

export function describeProgress(rollout: RolloutRecord): string {
  const { zones, zoneIndex, stepPercents, stepIndex } = rollout;
  const zone = zones[zoneIndex] ?? "";
  return `${zone} ${stepPercents[stepIndex] ?? 100} % (zone ${zoneIndex + 1} of ${zones.length})`;
}
