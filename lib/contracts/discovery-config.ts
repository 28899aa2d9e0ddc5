import { type Static, Type } from "typebox";
import { RunEndpoint } from "./run-endpoint.ts";

const closed = { additionalProperties: false } as const;

const ConsulDiscovery = Type.Object(
  {
    kind: Type.Literal("consul"),
    /** Of this machine's Consul agent. */
    address: Type.String({ pattern: "^https?://" }),
    /** Holds an ACL token, if Consul asks for one; read once at the start. */
    tokenFile: Type.Optional(Type.String()),
    datacenter: Type.Optional(Type.String({ minLength: 1 })),
    pollIntervalMs: Type.Integer({ minimum: 100, default: 1_000 }),
    timeoutMs: Type.Integer({ minimum: 100, default: 2_000 }),
  },
  closed,
);
export type ConsulDiscovery = Static<typeof ConsulDiscovery>;

/** How a program finds the others: files of this machine, a list in its configuration, or Consul. */
export const DiscoveryConfig = Type.Union(
  [
    Type.Object({ kind: Type.Literal("run-directory") }, closed),
    Type.Object({ kind: Type.Literal("static"), endpoints: Type.Array(RunEndpoint) }, closed),
    ConsulDiscovery,
  ],
  { default: { kind: "run-directory" } },
);
export type DiscoveryConfig = Static<typeof DiscoveryConfig>;
