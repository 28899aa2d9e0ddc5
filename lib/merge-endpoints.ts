import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";

/** What a directory said of one program. */
export interface ListedEndpoint {
  readonly endpoint: RunEndpoint;
  readonly isPassing: boolean;
  /** Grows with each registration; of two processes in one place the newer is the one that lives. */
  readonly registeredAt: number;
}

/** An endpoint that is served, and since when the directory does not name it any more, if it does not. */
export interface KnownEndpoint extends ListedEndpoint {
  readonly missingSinceMs: number | null;
}

/**
 * What is served after an answer. A program that is called unhealthy stays while no other has its place: a directory is no reason
 * to stop trying. One that the answer leaves out stays for `keptMs`, as a directory that lost its memory says nothing of anybody.
 */
export function mergeEndpoints(
  known: readonly KnownEndpoint[],
  answer: readonly ListedEndpoint[],
  nowMs: number,
  keptMs: number,
): readonly KnownEndpoint[] {
  const listed = answer.map((one): KnownEndpoint => ({ ...one, missingSinceMs: null }));
  const remaining = known
    .filter(({ endpoint }) => !answer.some((one) => isSameProcess(one.endpoint, endpoint)))
    .map((one) => ({ ...one, missingSinceMs: one.missingSinceMs ?? nowMs }))
    .filter(({ missingSinceMs }) => nowMs - missingSinceMs < keptMs);
  const places = Map.groupBy([...listed, ...remaining], ({ endpoint }) => placeOf(endpoint));
  return [...places.values()].flatMap(chooseInPlace);
}

/** The best in a place; of the gateways, of which a zone may have many, all that are as good as the best. */
function chooseInPlace(candidates: readonly KnownEndpoint[]): readonly KnownEndpoint[] {
  const best = Math.max(...candidates.map(standing));
  const alike = candidates
    .filter((candidate) => standing(candidate) === best)
    .toSorted((one, other) => other.registeredAt - one.registeredAt);
  return alike[0]?.endpoint.program === "gateway" ? alike : alike.slice(0, 1);
}

const standing = ({ isPassing, missingSinceMs }: KnownEndpoint): number =>
  (missingSinceMs === null ? 2 : 0) + (isPassing ? 1 : 0);

const isSameProcess = (one: RunEndpoint, other: RunEndpoint): boolean =>
  placeOf(one) === placeOf(other) && one.bootId === other.bootId;

const placeOf = ({ program, zone }: RunEndpoint): string => `${zone ?? ""}/${program}`;
