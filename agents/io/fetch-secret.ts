import { Value } from "typebox/value";
import { SecretRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { federatorsNearestFirst } from "#lib/find-federators.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Discovery } from "#lib/ports/discovery.ts";
import type { SecretIdentity } from "#lib/io/secret-envelope.ts";

const ANSWER_TIMEOUT_MS = 2_000;

export interface SecretSources {
  readonly zone: string;
  readonly discovery: Discovery;
  readonly client: InternalClient;
}

/** The encrypted record from this zone's federator, else from any other; MERIDIAN_SECRET_UNAVAILABLE when none has it. */
export async function fetchSecret(
  { zone, discovery, client }: SecretSources,
  wanted: SecretIdentity,
  signal: AbortSignal,
): Promise<SecretRecord> {
  const { tenant, name, revision } = wanted;
  const path = `/internal/secrets/${tenant}/${name}/${revision}`;
  const failures: string[] = [];
  for (const { zone: where, url } of federatorsNearestFirst(await discovery.list(), zone)) {
    try {
      const answer = await client.json(url, { path, timeoutMs: ANSWER_TIMEOUT_MS, signal });
      if (isRecordOf(answer, wanted)) return answer;
      failures.push(`${where} answered something else`);
    } catch (error) {
      signal.throwIfAborted();
      failures.push(`${where}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new MeridianError(
    "MERIDIAN_SECRET_UNAVAILABLE",
    `No federator could give revision ${revision} of the secret ${name} (${failures.join("; ") || "none is there"}). Try again in a moment.`,
  );
}

export const isRecordOf = (candidate: unknown, wanted: SecretIdentity): candidate is SecretRecord =>
  Value.Check(SecretRecord, candidate) &&
  candidate.tenant === wanted.tenant &&
  candidate.name === wanted.name &&
  candidate.revision === wanted.revision;
