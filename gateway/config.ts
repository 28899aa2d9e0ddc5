import { type Static, Type } from "typebox";
import { DiscoveryConfig } from "#lib/contracts/discovery-config.ts";
import { Name } from "#lib/contracts/names.ts";
import { Zone } from "#lib/contracts/zone.ts";

const Port = Type.Integer({ minimum: 0, maximum: 65_535 });

export const GatewayConfig = Type.Object(
  {
    zone: Name,
    /** The whole federation, this zone included. */
    zones: Type.Array(Zone, { minItems: 1 }),
    runDirectory: Type.String({ minLength: 1 }),
    discovery: DiscoveryConfig,
    bootTokenFile: Type.String({ minLength: 1 }),
    stateDirectory: Type.String({ minLength: 1 }),
    logLevel: Type.String({ default: "info" }),
    host: Type.String({ default: "127.0.0.1" }),
    /** This gateway alone; 0: any free port. */
    publicPort: Port,
    /** Shared with the other gateways of the machine; 0: none. */
    sharedPort: Port,
    /** `off` sends every call to its nearest cluster whatever is known of it: what drills prove themselves red with. */
    failover: Type.Union([Type.Literal("on"), Type.Literal("off")], { default: "on" }),
    /** Addresses and networks whose `X-Forwarded-For` and edge headers are believed. */
    trustedProxies: Type.Array(Type.String(), { default: [] }),
    /** Headers in which a trusted edge names the caller's country. */
    edgeCountryHeaders: Type.Array(Type.String({ pattern: "^[a-z0-9-]+$" }), {
      default: ["cf-ipcountry", "x-client-region"],
    }),
    /** An MMDB of countries; without it the one that comes along. */
    geoDatabase: Type.Optional(Type.String()),
    connectionsMax: Type.Integer({ minimum: 1, default: 20_000 }),
    /**
     * Where a round trip to an agent takes no longer than this, calls of functions that are not idempotent start only when the
     * gateway has said `go`: a cluster that hangs then doubles none of them.
     */
    goRoundTripMaxMs: Type.Number({ minimum: 0, default: 5 }),
    /** A table that was not confirmed for longer decides on no function with a placement; 0: it always does. */
    securityMaxAgeMs: Type.Integer({ minimum: 0, default: 3_600_000 }),
    /** How long running calls may take to end when the gateway stops. */
    drainMs: Type.Integer({ minimum: 0, default: 30_000 }),
  },
  { additionalProperties: false },
);
export type GatewayConfig = Static<typeof GatewayConfig>;
