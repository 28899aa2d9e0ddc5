import { connect } from "node:net";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { ZoneActionResult } from "#lib/contracts/supervision.ts";
import { MeridianError } from "#lib/errors.ts";
import { fromProblem } from "#lib/problem.ts";
import { exchange } from "./http-exchange.ts";
import { readUpSocket } from "./state-files.ts";

const ANSWER_LIMIT_MS = 60_000;
const STATUS_LIMIT_MS = 5_000;

/** The part of `up`'s status that a drill looks at. */
const UpStatus = Type.Object({
  groups: Type.Array(
    Type.Object({
      zone: Type.Union([Type.String(), Type.Null()]),
      programs: Type.Array(Type.Object({ program: Type.String(), state: Type.String() })),
    }),
  ),
});

/** Kills or starts a zone through `up`; resolves when that is done. Starting one that runs does nothing. */
export async function actOnZone(
  stateDirectory: string,
  zone: string,
  action: "kill" | "start",
): Promise<void> {
  const answer = await askUp(stateDirectory, "POST", `/zones/${zone}:${action}`, ANSWER_LIMIT_MS);
  if (!Value.Check(ZoneActionResult, answer))
    throw new Error(`"meridian up" answered something else than the state of the zone`);
}

/** Whether an `up` has the state folder; one that is only busy has it. */
export async function isUpRunning(stateDirectory: string): Promise<boolean> {
  const socketPath = await readUpSocket(stateDirectory);
  if (socketPath === undefined) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(socketPath, () => resolve(true)).once("error", () => resolve(false));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

/** Programs of the zone that are not ready; undefined when `up` does not answer. */
export async function unreadyPrograms(
  stateDirectory: string,
  zone: string,
): Promise<readonly string[] | undefined> {
  try {
    const answer = await askUp(stateDirectory, "GET", "/status", STATUS_LIMIT_MS);
    if (!Value.Check(UpStatus, answer)) return undefined;
    const group = answer.groups.find((one) => one.zone === zone);
    return group?.programs
      .filter(({ state }) => state !== "ready")
      .map(({ program }) => `${zone}.${program}`);
  } catch {
    return undefined;
  }
}

async function askUp(
  stateDirectory: string,
  method: "GET" | "POST",
  path: string,
  timeoutMs: number,
): Promise<unknown> {
  const socketPath = await readUpSocket(stateDirectory);
  if (socketPath === undefined)
    throw new MeridianError(
      "MERIDIAN_CONTROL_UNAVAILABLE",
      `no "meridian up" runs on ${stateDirectory}: start it, or leave --state out`,
    );
  const { status, text } = await exchange({
    url: `http://up${path}`,
    socketPath,
    method,
    timeoutMs,
  });
  const document: unknown = JSON.parse(text);
  if (status >= 400)
    throw fromProblem(document) ?? new Error(`"meridian up" answered ${status} to ${path}`);
  return document;
}
