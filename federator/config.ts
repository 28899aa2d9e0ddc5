import { type Static, Type } from "typebox";
import { CatalogConfig } from "#lib/contracts/catalog-config.ts";
import { DiscoveryConfig } from "#lib/contracts/discovery-config.ts";
import { Name } from "#lib/contracts/names.ts";
import { Zone } from "#lib/contracts/zone.ts";
import { ConfigError, parseConfig } from "#lib/parse-config.ts";
import { CodeStoreConfig } from "./code-store-config.ts";

const milliseconds = (byDefault: number) => Type.Integer({ minimum: 1, default: byDefault });
const port = Type.Integer({ minimum: 0, maximum: 65_535, default: 0 });

export const FederatorConfig = Type.Object(
  {
    zone: Name,
    /** The whole federation, this zone included. */
    zones: Type.Array(Zone, { minItems: 1 }),
    runDirectory: Type.String(),
    bootTokenFile: Type.String(),
    stateDirectory: Type.String(),
    codeDirectory: Type.String(),
    codeStore: CodeStoreConfig,
    discovery: DiscoveryConfig,
    catalog: Type.Union(CatalogConfig.anyOf, { default: { kind: "embedded" } }),
    /** The keys that secrets are encrypted under; without them secrets are refused. */
    keyEncryptionKeyFile: Type.Optional(Type.String()),
    logLevel: Type.String({ default: "info" }),
    /** `off` for drills that must fail without it: nothing is ever taken out of service. */
    failover: Type.Union([Type.Literal("on"), Type.Literal("off")], { default: "on" }),
    /** 0 takes any free port. */
    internalPort: port,
    adminPort: port,

    probeIntervalMs: milliseconds(500),
    probeTimeoutMs: milliseconds(500),
    /** A cluster in service that has not answered by then is asked again at once; costs a probe where the way takes longer. */
    probeRetryMs: milliseconds(100),
    refusalsToDown: Type.Integer({ minimum: 1, default: 3 }),
    goodsToUp: Type.Integer({ minimum: 1, default: 2 }),
    /** A cluster that never answered is not called down before this time. */
    firstSightMs: milliseconds(10_000),
    /**
     * Silence is judged by phi accrual (`core/phi-accrual.ts`): with these, a cluster is down 2.66 s after its last answer at a
     * steady rhythm, 2.95 s at a bad one; a pause of 2 s on top of a probe interval is none.
     */
    expectedIntervalMs: milliseconds(500),
    deviationMinMs: milliseconds(50),
    deviationMaxMs: milliseconds(100),
    acceptablePauseMs: milliseconds(1_900),
    gossipIntervalMs: milliseconds(500),
    gossipTimeoutMs: milliseconds(400),
    /** Older observations of other zones count for nothing. */
    evidenceMaxAgeMs: milliseconds(1_500),
    eventLoopLagMaxMs: milliseconds(1_000),

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
    /** A table that changes much is proved by one gateway for so long before the others of the zone get it. */
    waveSoakMs: Type.Integer({ minimum: 0, default: 5_000 }),
    /** How often the replica's digests are compared with those of the other zones. */
    digestIntervalMs: milliseconds(30_000),
    /** How often a page of the catalog is compared with the replica. */
    scrubIntervalMs: milliseconds(1_000),
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
