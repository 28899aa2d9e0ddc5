import type { IsolationCheck, IsolationLevel, IsolationReport } from "#lib/contracts/isolation.ts";

const EVIDENCE_CHARACTERS_MAX = 300;
const NOTES_MAX = 16;
/** That a kernel or machine of another kind runs an instance is not proved by what the instance cannot do. */
const PROVABLE: readonly IsolationLevel[] = ["L0", "L1", "L2", "L3"];

/**
 * What the canary tries, and the lowest level that needs it to fail. Those of the network stand above what is proved here: a
 * machine without nftables has its levels, and says in a note what instances reach. Abstract unix sockets belong to a network
 * namespace, which an instance with a network has no other of.
 */
const CHECKS: Readonly<Record<string, IsolationLevel>> = {
  "exhaust-descriptors": "L0",
  "own-user": "L1",
  "gain-privileges": "L1",
  "read-agent-files": "L1",
  "signal-agent": "L1",
  "have-capabilities": "L2",
  "list-processes": "L2",
  "read-neighbour": "L2",
  "write-outside-tmp": "L2",
  "fill-tmp": "L2",
  "filtered-calls": "L2",
  mount: "L2",
  ptrace: "L2",
  "exceed-memory": "L3",
  "fork-200": "L3",
  "reach-agent-port": "L4",
  "reach-metadata": "L4",
  "reach-abstract-socket": "L4",
};

/** What one attempt of one canary came to. */
export interface Attempt {
  readonly name: string;
  readonly holds: boolean;
  readonly evidence: string;
}

/** Of several runtimes' canaries the least kept one counts. */
export function judgeIsolation(
  attempts: readonly Attempt[],
  notes: readonly string[],
  nowMs: number,
): IsolationReport {
  const checks = Object.entries(CHECKS).flatMap(([name, level]): IsolationCheck[] => {
    const tried = attempts.filter((attempt) => attempt.name === name);
    const decisive = tried.find(({ holds }) => !holds) ?? tried[0];
    if (decisive === undefined) return [];
    const evidence = decisive.evidence.slice(0, EVIDENCE_CHARACTERS_MAX);
    return [{ name, level, holds: decisive.holds, evidence }];
  });
  return {
    level: provedLevel(checks),
    provedAtMs: nowMs,
    checks,
    notes: notes.map((note) => note.slice(0, EVIDENCE_CHARACTERS_MAX)).slice(0, NOTES_MAX),
  };
}

/** What holds for those, and does not for the others or was not tried there: with what was seen of it. */
export function weakerChecks(
  those: readonly Attempt[],
  others: readonly Attempt[],
): readonly string[] {
  return Object.keys(CHECKS).flatMap((name) => {
    const holds = those.some((attempt) => attempt.name === name && attempt.holds);
    const isBroken = those.some((attempt) => attempt.name === name && !attempt.holds);
    if (!holds || isBroken) return [];
    const tried = others.filter((attempt) => attempt.name === name);
    if (tried.length === 0) return [`${name}: was not tried`];
    const failed = tried.find((attempt) => !attempt.holds);
    return failed === undefined ? [] : [`${name}: ${failed.evidence}`];
  });
}

/** A level of which nothing was tried is not proved, nor are those above it. */
function provedLevel(checks: readonly IsolationCheck[]): IsolationLevel {
  let proved: IsolationLevel = "L0";
  for (const level of PROVABLE) {
    const own = checks.filter((check) => check.level === level);
    const isProved =
      own.length === Object.values(CHECKS).filter((needed) => needed === level).length &&
      own.every(({ holds }) => holds);
    if (!isProved) break;
    proved = level;
  }
  return proved;
}
