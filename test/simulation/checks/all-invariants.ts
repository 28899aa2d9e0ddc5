import { aDeadClusterIsOut } from "./eventually-a-dead-cluster-is-out.ts";
import { equalPositionsEqualTables, tablesAreWhole } from "./always-tables-are-whole.ts";
import type { Invariant } from "./check.ts";
import { oneClusterStays } from "./always-one-cluster-stays.ts";
import { oneLeaderActs } from "./always-one-leader-acts.ts";
import { referencesExist } from "./always-references-exist.ts";
import { replicaIsAPrefix } from "./always-replica-is-a-prefix.ts";
import { replicasConverge } from "./finally-replicas-converge.ts";
import { rightsWithinTheLimit } from "./always-rights-within-the-limit.ts";
import { servedWithoutControl } from "./finally-served-without-control.ts";
import { twoObservers } from "./always-two-observers.ts";
import { writesAreKept } from "./finally-writes-are-kept.ts";

import { digestsAgree } from "./finally-digests-agree.ts";
import { overlaysEnd } from "./finally-overlays-end.ts";
import { planIsBounded } from "./always-plan-is-bounded.ts";
import { verdictsFollow } from "./always-verdicts-follow.ts";

/** In the order in which they hear each event: of several that one event breaks, the first is named. */
export const ALL_INVARIANTS: readonly Invariant[] = [
  writesAreKept,
  replicaIsAPrefix,
  replicasConverge,
  digestsAgree,
  oneLeaderActs,
  tablesAreWhole,
  referencesExist,
  rightsWithinTheLimit,
  servedWithoutControl,
  equalPositionsEqualTables,
  planIsBounded,
  verdictsFollow,
  twoObservers,
  oneClusterStays,
  aDeadClusterIsOut,
  overlaysEnd,
];
