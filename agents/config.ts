import { type Static, Type } from "typebox";
import { DiscoveryConfig } from "#lib/contracts/discovery-config.ts";
import { Name } from "#lib/contracts/names.ts";
import { Zone } from "#lib/contracts/zone.ts";
import { KubernetesConfig } from "./drivers/kubernetes/kubernetes-config.ts";
import { parseConfig } from "#lib/parse-config.ts";

const Milliseconds = (defaultMs: number) => Type.Integer({ minimum: 1, default: defaultMs });

const Port = Type.Integer({ minimum: 0, maximum: 65_535, default: 0 });

const AgentConfig = Type.Object(
  {
    zone: Name,
    zones: Type.Array(Zone, { minItems: 1 }),
    runDirectory: Type.String(),
    discovery: DiscoveryConfig,
    bootTokenFile: Type.String(),
    stateDirectory: Type.String(),
    /** This zone's code store. */
    codeDirectory: Type.String(),
    /** The keys that secrets are encrypted under; without them no instance that needs one is started. */
    keyEncryptionKeyFile: Type.Optional(Type.String()),
    logLevel: Type.String({ default: "info" }),
    /** How long the last instance of a version stays idle. */
    idleMs: Milliseconds(60_000),
    /** How long instances beyond the last one do. */
    extraIdleMs: Milliseconds(5_000),
    instancesMax: Type.Integer({ minimum: 1, default: 200 }),
    /** Instances that start at the same time. */
    startsMax: Type.Integer({ minimum: 1, default: 8 }),
    /** Calls of one version that wait for an instance. */
    queueLengthMax: Type.Integer({ minimum: 1, default: 1_000 }),
    initTimeoutMs: Milliseconds(10_000),
    /** 0 for any free port. */
    internalPort: Port,
    adminPort: Port,
    drainMs: Milliseconds(30_000),
    /** How long a draining agent goes on refusing calls by answer; gateways leave it within three pings of 250 ms. */
    farewellMs: Milliseconds(1_000),
    /** How long the launcher and its instances outlive a killed agent; all of it is gone within 10 s then. */
    launcherGraceMs: Milliseconds(9_000),
    /** For processes that wait for any function, so that a first call finds one that runs; 0: none does. */
    poolMegabytesMax: Type.Optional(Type.Integer({ minimum: 0, default: 128 })),
    /** Where instances live; absent: `process`, on this machine. */
    driver: Type.Optional(Type.Union([Type.Literal("process"), Type.Literal("kubernetes")])),
    /** Of the driver of that name, which needs it. */
    kubernetes: Type.Optional(KubernetesConfig),
    /** `off`: instances are plain processes even where they could be kept apart; absent: kept apart as far as this machine can. */
    sandbox: Type.Optional(Type.Union([Type.Literal("auto"), Type.Literal("off")])),
    /** The first of the numbers that users of instances have, where the agent is root; absent: numbers that no system gives out. */
    instanceUsersFrom: Type.Optional(Type.Integer({ minimum: 1, maximum: 2_000_000_000 })),
    /** `auto`: instances of Python are forked from one process, where that is proved to keep them apart; absent: each is an interpreter of its own. */
    pythonForks: Type.Optional(Type.Union([Type.Literal("auto"), Type.Literal("off")])),
    /** Where gVisor's `runsc` is; absent: it is looked for on the PATH. */
    gvisorProgram: Type.Optional(Type.String({ pattern: "^/" })),
    /** Folders of this machine that functions whose names begin so see in their sandboxes at the same paths, and may write to. */
    sharedFolders: Type.Optional(
      Type.Array(
        Type.Object(
          { path: Type.String({ pattern: "^/" }), functions: Type.String({ maxLength: 64 }) },
          { additionalProperties: false },
        ),
        { maxItems: 16 },
      ),
    ),
    codeCacheBytesMax: Type.Integer({ minimum: 1, default: 2 * 1024 * 1024 * 1024 }),
    functionLogBytesMax: Type.Integer({ minimum: 1, default: 100 * 1024 * 1024 }),
    functionLogAgeMaxMs: Milliseconds(86_400_000),
    /** The book of what functions used; what is oldest gives way. */
    usageBytesMax: Type.Integer({ minimum: 1_048_576, default: 256 * 1024 * 1024 }),
    /** How long an `Idempotency-Key` is good, from the start of its first call. */
    replayWindowMs: Milliseconds(86_400_000),
    /** Keys that are kept at a time, and the bytes of their answers on disk; half of each at most for one tenant. */
    replayKeysMax: Type.Integer({ minimum: 0, default: 200_000 }),
    replayBytesMax: Type.Integer({ minimum: 0, default: 256 * 1024 * 1024 }),
    /** How long further attempts of an AWS SDK are known for what they are; these are kept in memory alone. */
    sdkReplayWindowMs: Milliseconds(900_000),
    sdkReplayKeysMax: Type.Integer({ minimum: 0, default: 10_000 }),
    sdkReplayBytesMax: Type.Integer({ minimum: 0, default: 32 * 1024 * 1024 }),
  },
  { additionalProperties: false },
);
export type AgentConfig = Static<typeof AgentConfig>;

export const readAgentConfig = (): AgentConfig =>
  parseConfig(AgentConfig, process.argv.slice(2), process.env);
