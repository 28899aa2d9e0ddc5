import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { BucketListing, DigestMarks, DigestSums } from "#lib/contracts/replica-wire.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Federation } from "../../ports.ts";
import type { ReplicaDigests } from "./replica-digests.ts";

const TIMEOUT_MS = 10_000;

/** The replicas of the other zones, asked through their federators. */
export function replicaPeers(
  peers: Federation["peers"],
  client: InternalClient,
): () => Promise<ReadonlyMap<string, ReplicaDigests>> {
  return async () =>
    new Map([...(await peers())].map(([zone, url]) => [zone, replicaOver(client, url)]));
}

const marks = Compile(DigestMarks);
const sums = Compile(DigestSums);
const bucket = Compile(BucketListing);

function replicaOver(client: InternalClient, url: string): ReplicaDigests {
  const ask = (path: string, signal: AbortSignal): Promise<unknown> =>
    client.json(url, { path, timeoutMs: TIMEOUT_MS, signal });
  return {
    marks: async (signal) =>
      checked(marks, await ask("/internal/replica/digests", signal), url).marks,
    sums: async ({ incarnation, revision }, signal) => {
      const query = new URLSearchParams({ incarnation, revision: String(revision) });
      const path = `/internal/replica/digests/sums?${query.toString()}`;
      return checked(sums, await ask(path, signal), url).sums;
    },
    bucket: async (number, signal) =>
      checked(bucket, await ask(`/internal/replica/buckets/${number}`, signal), url).entries,
  };
}

/** What does not fit its schema is no answer. */
function checked<T extends TSchema>(
  schema: ReturnType<typeof Compile<T>>,
  answer: unknown,
  url: string,
) {
  if (schema.Check(answer)) return answer;
  throw new Error(`${url} answered something that does not speak of a replica`);
}
