import type { GatewayState } from "#lib/contracts/gateway-state.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { MeridianError } from "#lib/errors.ts";
import type { StateDoor } from "../core/match-route.ts";
import { jsonAnswer } from "../answers.ts";
import type { RoutedCall } from "../call.ts";
import type { Handler } from "../pipeline.ts";
import type { Answer } from "../ports.ts";
import { unauthenticated } from "./authenticate.ts";
import type { KeyRing } from "./key-ring.ts";

export interface StateCall extends RoutedCall {
  readonly door: StateDoor;
}

/** Asks the gateway of another zone. */
export type PassToGateway = (zone: string, call: StateCall) => Promise<Answer>;

export interface StatePorts {
  readonly keyRing: KeyRing;
  readonly state: () => GatewayState;
  readonly passToGateway: PassToGateway;
}

/** `GET /v1/gateways/ZONE/state`: what that zone's gateway thinks, for operators. */
export function tellState(
  { keyRing, state, passToGateway }: StatePorts,
  zones: readonly Zone[],
  ownZone: string,
): Handler<StateCall> {
  return async (call) => {
    const key = keyRing(call.arrival.headers.authorization, call.table.entries);
    if (key === undefined) return unauthenticated(call.requestId);
    if (!key.roles.includes("operator"))
      throw new MeridianError(
        "MERIDIAN_FORBIDDEN",
        "The state of a gateway is for operators; use a key with the role operator.",
      );
    const { gateway } = call.door;
    if (gateway === ownZone) return jsonAnswer(200, state());
    if (zones.some(({ name }) => name === gateway)) return passToGateway(gateway, call);
    const known = zones.map(({ name }) => name).join(", ");
    throw new MeridianError(
      "MERIDIAN_NOT_FOUND",
      `There is no zone ${gateway}; there are ${known}.`,
    );
  };
}
