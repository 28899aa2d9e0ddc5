import { type Static, Type } from "typebox";
import { Name } from "#lib/contracts/names.ts";
import { Zone } from "#lib/contracts/zone.ts";
import { ConfigError, parseConfig } from "#lib/parse-config.ts";

const milliseconds = (byDefault: number) => Type.Integer({ minimum: 1, default: byDefault });
const port = Type.Integer({ minimum: 0, maximum: 65_535, default: 0 });

const FederatorConfig = Type.Object(
  {
    zone: Name,
    /** The whole federation, this zone included. */
    zones: Type.Array(Zone, { minItems: 1 }),
    runDirectory: Type.String(),
    bootTokenFile: Type.String(),
    stateDirectory: Type.String(),
    codeDirectory: Type.String(),
    logLevel: Type.String({ default: "info" }),
    /** `off` for drills that must fail without it: nothing is ever taken out of service. */
    failover: Type.Union([Type.Literal("on"), Type.Literal("off")], { default: "on" }),
    /** 0 takes any free port. */
    internalPort: port,
    adminPort: port,

    probeIntervalMs: milliseconds(500),
    probeTimeoutMs: milliseconds(500),
    missesToDown: Type.Integer({ minimum: 1, default: 3 }),
    goodsToUp: Type.Integer({ minimum: 1, default: 2 }),
    /** A cluster that never answered is not called down before this time. */
    firstSightMs: milliseconds(10_000),
    gossipIntervalMs: milliseconds(500),
    gossipTimeoutMs: milliseconds(400),
    /** Older observations of other zones count for nothing. */
    evidenceMaxAgeMs: milliseconds(1_500),
    eventLoopLagMaxMs: milliseconds(250),

    /** How long a cluster that failed must look good before it returns; doubles with each flap. */
    upHoldMs: milliseconds(5_000),
    upHoldMaxMs: milliseconds(600_000),
    flapMemoryMs: milliseconds(60_000),
    /** From 10 to 100 % of its share after a return. */
    rampMs: milliseconds(10_000),

    leaderTtlMs: milliseconds(5_000),
    sessionTtlMs: milliseconds(10_000),
    /** How often this zone looks whether its quota leases fit its demand. */
    grantsIntervalMs: milliseconds(1_000),
    /** An operator's word that a catalog which lost many functions is right. */
    acceptLargeRemovals: Type.Boolean({ default: false }),
  },
  { additionalProperties: false },
);
export type FederatorConfig = Static<typeof FederatorConfig>;

export function readFederatorConfig(): FederatorConfig {
  const config = parseConfig(FederatorConfig, process.argv.slice(2), process.env);
  if (config.zones.every(({ name }) => name !== config.zone))
    throw new ConfigError(`the configuration is invalid:\n  /zones: does not name ${config.zone}`);
  return config;
}
