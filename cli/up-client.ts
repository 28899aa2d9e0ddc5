import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import { fromProblem } from "#lib/problem.ts";
import { UsageError } from "./failures.ts";
import { UpRecord } from "./up/up-record.ts";

/** Longer than the drain of a zone may take. */
const ANSWER_LIMIT_MS = 120_000;

/** Asks the running `meridian up` of the state folder, over its socket. */
export async function askUp<T extends TSchema>(
  state: string,
  schema: T,
  method: "GET" | "POST",
  path: string,
): Promise<Static<T>> {
  const { status, body } = await exchange(state, method, path);
  const document: unknown = JSON.parse(body);
  if (status >= 400)
    throw fromProblem(document) ?? new Error(`"meridian up" answered ${status}: ${body}`);
  return Value.Parse(schema, document);
}

async function exchange(
  state: string,
  method: "GET" | "POST",
  path: string,
): Promise<{ readonly status: number; readonly body: string }> {
  try {
    const file = join(state, "run", "up.json");
    const { socketPath } = Value.Parse(UpRecord, JSON.parse(await readFile(file, "utf8")));
    return await new Promise((resolve, reject) => {
      const sent = request(
        { socketPath, method, path, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) },
        (response) => {
          text(response).then(
            (body) => resolve({ status: response.statusCode ?? 500, body }),
            reject,
          );
        },
      );
      sent.once("error", reject);
      sent.end();
    });
  } catch (cause) {
    throw new UsageError(
      `no "meridian up" is running on ${state}: start it, or name the state of a running one with --state`,
      { cause },
    );
  }
}
