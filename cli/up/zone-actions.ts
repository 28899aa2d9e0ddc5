import type { GatewayRestart, ZoneActionResult } from "#lib/contracts/supervision.ts";
import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { ZoneAction } from "./io/up-server.ts";
import { pollUntil } from "./io/wait-ready.ts";
import type { Replacement, Supervisor } from "./supervisor.ts";

const START_LIMIT_MS = 30_000;

export interface ZoneActions {
  readonly act: (zone: string, action: ZoneAction) => Promise<ZoneActionResult>;
  /** One gateway of the zone after the other: the next only once a successor of the one before has its place. */
  readonly restartGateways: (zone: string) => Promise<GatewayRestart>;
}

/** Starts, drains or kills a zone, or restarts its gateways; one action on a zone at a time, in the order they came. */
export function zoneActions(
  supervisor: Supervisor,
  zones: readonly string[],
  clock: Clock,
  /** Tells the federation that the zone leaves on purpose; best effort. */
  planDown: (zone: string) => Promise<void>,
): ZoneActions {
  const lastOf = new Map<string, Promise<unknown>>();

  const start = async (zone: string): Promise<ZoneActionResult> => {
    supervisor.start(zone);
    try {
      await pollUntil(clock, AbortSignal.timeout(START_LIMIT_MS), async () => {
        const programs = supervisor.status(zone);
        if (programs.every(({ state }) => state === "stopped"))
          throw new MeridianError("MERIDIAN_CONFLICT", `${zone} was stopped again, or fell`);
        return programs.every(({ state }) => state === "ready" || state === "draining")
          ? true
          : undefined;
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

  const restartGateways = async (zone: string): Promise<GatewayRestart> => {
    const gateways = supervisor.status(zone).filter(({ program }) => program === "gateway");
    if (gateways.every(({ state }) => state === "stopped"))
      throw new MeridianError(
        "MERIDIAN_CONFLICT",
        `${zone} is stopped: \`meridian zone start ${zone}\``,
      );
    const restarted: GatewayRestart["restarted"] = [];
    for (const { name, pid } of gateways) {
      const replacement = await supervisor.replace(zone, name);
      if (replacement.kind === "not-replaced") throw notReplaced(zone, replacement.why);
      restarted.push({ pid, by: replacement.by });
    }
    return { zone, restarted };
  };

  const inTurn = <T>(zone: string, run: () => Promise<T>): Promise<T> => {
    if (!zones.includes(zone))
      throw new MeridianError(
        "MERIDIAN_NOT_FOUND",
        `there is no zone "${zone}" here; there are ${zones.join(", ")}`,
      );
    const before = lastOf.get(zone) ?? Promise.resolve();
    const done = before.then(run, run);
    lastOf.set(zone, done);
    return done;
  };
  return {
    act: (zone, action) => inTurn(zone, () => act(zone, action)),
    restartGateways: (zone) => inTurn(zone, () => restartGateways(zone)),
  };
}

type WhyNot = Extract<Replacement, { readonly kind: "not-replaced" }>["why"];

function notReplaced(zone: string, why: WhyNot): MeridianError {
  switch (why) {
    case "no-place":
      return new MeridianError(
        "MERIDIAN_CONFLICT",
        `this system has no SO_REUSEPORT, so two gateways cannot share a port: use \`meridian zone stop ${zone}\` and \`zone start\``,
      );
    case "stopped":
      return new MeridianError("MERIDIAN_CONFLICT", `${zone} was stopped meanwhile, or fell`);
    case "not-ready":
      return new MeridianError(
        "MERIDIAN_STARTING",
        `the new gateway of ${zone} does not get ready, and the one before it goes on: the zone's gateway logs in the state folder say why`,
      );
  }
}
