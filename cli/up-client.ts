import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import { fromProblem } from "#lib/problem.ts";
import { UsageError } from "./failures.ts";
import { exchange, type HttpAnswer } from "./http-exchange.ts";
import { UpRecord } from "#lib/contracts/supervision.ts";

/** Longer than a zone may take to drain, and than its gateways may, one after the other. */
const ANSWER_LIMIT_MS = 900_000;

/** Asks the running `meridian up` of the state folder, over its socket. */
export async function askUp<T extends TSchema>(
  state: string,
  schema: T,
  method: "GET" | "POST",
  path: string,
): Promise<Static<T>> {
  const { status, body } = await requestFromUp(state, method, path);
  const document: unknown = JSON.parse(body.toString("utf8"));
  if (status >= 400) throw fromProblem(document) ?? new Error(`"meridian up" answered ${status}`);
  return Value.Parse(schema, document);
}

async function requestFromUp(
  state: string,
  method: "GET" | "POST",
  path: string,
): Promise<HttpAnswer> {
  try {
    const file = join(state, "run", "up.json");
    const { socketPath } = Value.Parse(UpRecord, JSON.parse(await readFile(file, "utf8")));
    const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
    return await exchange(new URL(path, "http://up"), { socketPath, method, signal });
  } catch (cause) {
    throw new UsageError(
      `no "meridian up" is running on ${state}: start it, or name the state of a running one with --state`,
      { cause },
    );
  }
}
