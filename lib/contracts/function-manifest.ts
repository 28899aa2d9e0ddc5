import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";
import { IsolationLevel, NetworkAccess } from "./isolation.ts";
import { Name, VersionNumber } from "./names.ts";
import { Placement, PlacementPart } from "./placement.ts";
import { Scaling } from "./scaling.ts";

/** A record says nothing of names that are not of its pattern; `propertyNames` beside it refuses them. */
const VariableName = Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]*$" });

const MediaType = Type.String({ pattern: "^[\\x20-\\x7e]+$", maxLength: 128 });

/** An answer that needs no cluster. It is part of the version's record, which every gateway keeps in its table. */
export const FixedAnswer = Type.Object(
  {
    status: Type.Integer({ minimum: 200, maximum: 599, default: 200 }),
    contentType: Type.String({ ...MediaType, default: "application/json" }),
    body: Type.String({ maxLength: 1_024 }),
  },
  { additionalProperties: false },
);
export type FixedAnswer = Static<typeof FixedAnswer>;

/** An earlier version of the same function, or a fixed answer. */
export const Fallback = Type.Object(
  { version: Type.Optional(VersionNumber), answer: Type.Optional(FixedAnswer) },
  { additionalProperties: false, minProperties: 1, maxProperties: 1 },
);
export type Fallback = Static<typeof Fallback>;

/** What the runtime `provided` runs. */
export const BOOTSTRAP_FILE = "bootstrap";

/** What a version is, all of it said. `meridian.json` in a function's folder says a part; flags of `deploy` win. */
export const FunctionManifest = Type.Object(
  {
    name: Name,
    /** `provided`: the code brings its own, as the program `bootstrap` at its root. */
    runtime: Type.Union([Type.Literal("node"), Type.Literal("python"), Type.Literal("provided")], {
      default: "node",
    }),
    /**
     * How calls reach the code: `handler(event, context)`, or as HTTP requests to a server that the code runs on 127.0.0.1, port `PORT`.
     * Absent: `handler`.
     */
    interface: Type.Optional(Type.Union([Type.Literal("handler"), Type.Literal("http")])),
    /**
     * `file.export`, without the file's extension, as AWS Lambda writes it; for `http` the file that is run, `server.mjs`. A runtime
     * that is `provided` finds it in `_HANDLER`, and may take any word.
     */
    handler: Type.String({
      pattern: "^[A-Za-z0-9_./-]*[A-Za-z0-9_$]$",
      maxLength: 128,
      default: "index.handler",
    }),
    memoryMegabytes: Type.Integer({ minimum: 64, maximum: 10_240, default: 128 }),
    timeoutMs: Type.Integer({ minimum: 1, maximum: 900_000, default: 3_000 }),
    /** Calls one instance serves at the same time. */
    concurrency: Type.Integer({ minimum: 1, maximum: 1_000, default: 1 }),
    /** True permits a second start of a call whose first start cannot be ruled out. */
    idempotent: Type.Boolean({ default: false }),
    environment: Type.Record(VariableName, Type.String({ maxLength: 1024 }), {
      default: {},
      maxProperties: 64,
      propertyNames: VariableName,
    }),
    /** Environment variable → name of a secret of the tenant; the value never leaves the agent's memory in clear. */
    secrets: Type.Optional(
      Type.Record(VariableName, Name, {
        maxProperties: 32,
        propertyNames: VariableName,
      }),
    ),
    placement: Type.Object(Placement.properties, { additionalProperties: false, default: {} }),
    /** Who may call `/fn/…`: holders of a key of the tenant, or everyone. */
    httpAuth: Type.Union([Type.Literal("key"), Type.Literal("public")], { default: "key" }),
    /** Media type of a string that the handler returns through `:invoke`. */
    contentType: Type.String({ ...MediaType, default: "text/plain" }),
    /** What answers while the function's circuit is open on every cluster that its calls may go to. */
    fallback: Type.Optional(Fallback),
    /** A call that takes longer than nearly all others is sent to a second cluster too; only where `idempotent`. */
    hedge: Type.Optional(Type.Boolean()),
    /** How many instances it has. Absent: as many as calls need, none without calls. */
    scaling: Type.Optional(Scaling),
    /** It runs only where the agent has proved this level, and is refused elsewhere. Absent: wherever it is placed. */
    minIsolation: Type.Optional(IsolationLevel),
    /** Absent: `outbound`. */
    network: Type.Optional(NetworkAccess),
  },
  { additionalProperties: false },
);
export type FunctionManifest = Static<typeof FunctionManifest>;
export type Runtime = FunctionManifest["runtime"];

/** As it is sent: with no placement, or a part of one, the version keeps the rest of the placement behind `live`. */
export const SentManifest = Type.Object(
  { ...FunctionManifest.properties, placement: Type.Optional(PlacementPart) },
  { additionalProperties: false },
);
export type SentManifest = Static<typeof SentManifest>;

/** As a version's record and the table carry it: with fields that a newer version knows. */
export const StoredManifest = Type.Object(FunctionManifest.properties, extensible);
