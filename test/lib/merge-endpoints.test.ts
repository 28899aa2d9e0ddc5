import assert from "node:assert/strict";
import { test } from "node:test";
import { type KnownEndpoint, mergeEndpoints } from "#lib/merge-endpoints.ts";
import { endpointOf } from "../contract/discovery.contract.ts";

const KEPT_MS = 1_000;
const listed = (
  bootId: string,
  isPassing = true,
  registeredAt = 1,
  program = "agent" as const,
) => ({
  endpoint: endpointOf(program, "eu-west", bootId),
  isPassing,
  registeredAt,
});
const gateway = (bootId: string, isPassing = true) => ({
  ...listed(bootId, isPassing),
  endpoint: endpointOf("gateway", "eu-west", bootId),
});
const known = (
  one: ReturnType<typeof listed>,
  missingSinceMs: number | null = null,
): KnownEndpoint => ({ ...one, missingSinceMs });

interface Case {
  readonly name: string;
  readonly known?: readonly KnownEndpoint[];
  readonly answer: Parameters<typeof mergeEndpoints>[1];
  readonly served: readonly string[];
}
const NOW_MS = 5_000;
const cases: Case[] = [
  { name: "what is listed is served", answer: [listed("a")], served: ["a"] },
  {
    name: "what is called unhealthy is served while nothing else has its place",
    answer: [listed("a", false)],
    served: ["a"],
  },
  {
    name: "a healthy process takes the place of an unhealthy one, even of a newer one",
    answer: [listed("a", false, 2), listed("b", true, 1)],
    served: ["b"],
  },
  {
    name: "of two healthy processes in one place the newer is served",
    answer: [listed("a", true, 1), listed("b", true, 2)],
    served: ["b"],
  },
  {
    name: "a directory that lost its memory takes nobody away",
    known: [known(listed("a"))],
    answer: [],
    served: ["a"],
  },
  {
    name: "what was left out for long is forgotten",
    known: [known(listed("a"), NOW_MS - KEPT_MS)],
    answer: [],
    served: [],
  },
  {
    name: "what was left out is served until then",
    known: [known(listed("a"), NOW_MS - KEPT_MS + 1)],
    answer: [],
    served: ["a"],
  },
  {
    name: "a new process takes the place of one that is left out",
    known: [known(listed("a", true, 9))],
    answer: [listed("b", false, 1)],
    served: ["b"],
  },
  {
    name: "all healthy gateways of a zone are served, and no unhealthy one beside them",
    answer: [gateway("a"), gateway("b"), gateway("c", false)],
    served: ["a", "b"],
  },
];
for (const { name, known: before = [], answer, served } of cases)
  test(name, () => {
    const merged = mergeEndpoints(before, answer, NOW_MS, KEPT_MS);
    assert.deepEqual(
      merged.map(({ endpoint }) => endpoint.bootId),
      served,
    );
  });

test("an endpoint that is listed again counts as never missed", () => {
  const [again] = mergeEndpoints([known(listed("a"), 1)], [listed("a")], NOW_MS, KEPT_MS);
  assert.equal(again?.missingSinceMs, null);
});
