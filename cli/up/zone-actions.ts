import type { ZoneActionResult } from "#lib/contracts/supervision.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ZoneAction } from "./io/up-server.ts";
import { pollUntil } from "./io/wait-ready.ts";
import type { Supervisor } from "./supervisor.ts";

const START_LIMIT_MS = 30_000;

/** Starts, drains or kills a zone; one action on a zone at a time, in the order they came. */
export function zoneActions(
  supervisor: Supervisor,
  zones: readonly string[],
  clock: Clock,
  /** Tells the federation that the zone leaves on purpose; best effort. */
  planDown: (zone: string) => Promise<void>,
): (zone: string, action: ZoneAction) => Promise<ZoneActionResult> {
  const lastOf = new Map<string, Promise<unknown>>();

  const start = async (zone: string): Promise<ZoneActionResult> => {
    supervisor.start(zone);
    try {
      await pollUntil(clock, AbortSignal.timeout(START_LIMIT_MS), async () => {
        const programs = supervisor.status(zone);
        if (programs.every(({ state }) => state === "stopped"))
          throw new MeridianError("MERIDIAN_CONFLICT", `${zone} was stopped again, or fell`);
        return programs.every(({ state }) => state === "ready") ? true : undefined;
      });
    } catch (cause) {
      if (cause instanceof MeridianError) throw cause;
      throw new MeridianError(
        "MERIDIAN_STARTING",
        `${zone} is not ready after ${START_LIMIT_MS / 1_000} s: its logs in the state folder say why`,
        { cause },
      );
    }
    return { zone, state: "running" };
  };

  const act = async (zone: string, action: ZoneAction): Promise<ZoneActionResult> => {
    if (action === "start") return start(zone);
    if (action === "stop") await planDown(zone).catch(() => undefined);
    await supervisor.stop(zone, action === "stop" ? "drain" : "kill");
    return { zone, state: "stopped" };
  };

  return (zone, action) => {
    if (!zones.includes(zone))
      throw new MeridianError(
        "MERIDIAN_NOT_FOUND",
        `there is no zone "${zone}" here; there are ${zones.join(", ")}`,
      );
    const before = lastOf.get(zone) ?? Promise.resolve();
    const done = before.then(
      () => act(zone, action),
      () => act(zone, action),
    );
    lastOf.set(zone, done);
    return done;
  };
}
