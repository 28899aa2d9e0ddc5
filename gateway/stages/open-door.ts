import { MeridianError } from "#lib/errors.ts";
import { problemAnswer, refusalOf, textAnswer } from "../answers.ts";
import type { FunctionCall, IdentifiedCall, RoutedCall } from "../call.ts";
import type { Handler } from "../pipeline.ts";
import type { Answer, Routing } from "../ports.ts";
import type { StateCall } from "./tell-state.ts";

export interface Doors {
  readonly invoke: Handler<FunctionCall>;
  readonly explain: Handler<RoutedCall>;
  readonly state: Handler<StateCall>;
  /** The management API, on a federator. */
  readonly control: Handler<IdentifiedCall>;
  /** Null when this gateway may be sent traffic, else why not. */
  readonly notReady: () => string | null;
}

/** To each request the part of the gateway that answers it. */
export function openDoor(doors: Doors, routing: Routing): Handler<IdentifiedCall> {
  return (call) => {
    const { door, requestId } = call;
    switch (door.kind) {
      case "invoke":
      case "http":
        return doors.invoke({ ...call, door, table: tableInForce(routing) });
      case "explain":
        return doors.explain({ ...call, table: tableInForce(routing) });
      case "gateway-state":
        return doors.state({ ...call, door, table: tableInForce(routing) });
      case "control":
        return doors.control(call);
      case "healthz":
        return Promise.resolve(textAnswer(200, "ok\n"));
      case "readyz":
        return Promise.resolve(readiness(doors.notReady(), requestId));
      case "method-not-allowed":
        return Promise.resolve(notAllowed(door.allow, requestId));
      case "not-found":
        throw new MeridianError(
          "MERIDIAN_NOT_FOUND",
          "Nothing is served at this path; functions are at /v1/tenants/TENANT/functions/FUNCTION:invoke and /fn/TENANT/FUNCTION/.",
        );
      case "malformed":
        throw refusalOf(door);
    }
  };
}

const notAllowed = (allow: string, requestId: string): Answer =>
  problemAnswer(new MeridianError("MERIDIAN_METHOD_NOT_ALLOWED", `Use ${allow} here.`), requestId, {
    allow,
  });

function tableInForce(routing: Routing) {
  const table = routing.table();
  if (table === undefined)
    throw new MeridianError(
      "MERIDIAN_STARTING",
      "This gateway has not received a route table yet.",
    );
  return table;
}

const readiness = (reason: string | null, requestId: string): Answer =>
  reason === null
    ? textAnswer(200, "ok\n")
    : problemAnswer(new MeridianError("MERIDIAN_STARTING", `Not ready: ${reason}.`), requestId);
