import { changedKey } from "#lib/catalog/history.ts";
import type { WorldEvent } from "./world-events.ts";

/** For people who read a trace; undefined for what is too common to be read. */
export function describeEvent(
  event: WorldEvent,
): { readonly who: string; readonly what: string } | undefined {
  switch (event.kind) {
    case "revision": {
      const { revision, changes, writer } = event.revision;
      const touched = changes.map((one) => `${one.kind} ${changedKey(one)}`).join(", ");
      return { who: writer ?? "catalog", what: `revision ${revision}: ${touched}` };
    }
    case "replica-opened": {
      const { revision } = event.replica.position();
      return { who: event.zone, what: `federator starts, replica at ${revision}` };
    }
    case "replica-applied": {
      const { position, isSnapshot } = event.applied;
      return {
        who: event.zone,
        what: `replica at ${position.revision}${isSnapshot ? " by a snapshot" : ""}`,
      };
    }
    case "told": {
      const { isQualified, clusters } = event.observation;
      const views = clusters.map(({ clusterId, view }) => `${clusterId} ${view}`).join(", ");
      return { who: event.zone, what: `tells ${views}${isQualified ? "" : ", unqualified"}` };
    }
    case "table":
      return { who: event.gatewayHost, what: `table at ${event.table.position.revision}` };
    case "overlay":
      return { who: event.gatewayHost, what: `overlay [${event.downClusters.join(", ")}]` };
    case "rights":
      return { who: event.zone, what: "rights" };
    case "write":
      return {
        who: `${event.zone}'s client`,
        what: `${event.requestId} ${describeOutcome(event.outcome)}`,
      };
    case "fault":
      return { who: "nemesis", what: `${event.name} ${event.isOver ? "is over" : "begins"}` };
  }
}

function describeOutcome(outcome: Extract<WorldEvent, { kind: "write" }>["outcome"]): string {
  switch (outcome.kind) {
    case "acknowledged":
      return `acknowledged at ${outcome.revision}`;
    case "refused":
      return `refused with ${outcome.code}`;
    case "ambiguous":
      return "told that it is ambiguous";
  }
}
