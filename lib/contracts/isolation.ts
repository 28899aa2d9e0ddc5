import { type Static, Type } from "typebox";
import { extensible } from "./extensible.ts";

/**
 * How far an instance is kept from everything else on its machine. Each level has what the ones below it have.
 * `L0` a process with limits of its own, as the agent's user · `L1` a user of its own, no new privileges · `L2` namespaces, no
 * capabilities, a read-only root, filtered system calls · `L3` memory and processes limited by the kernel · `L4` a kernel in user
 * space (gVisor) · `L5` a virtual machine (Kata).
 */
export const ISOLATION_LEVELS = ["L0", "L1", "L2", "L3", "L4", "L5"] as const;
export const IsolationLevel = Type.Enum(ISOLATION_LEVELS);
export type IsolationLevel = Static<typeof IsolationLevel>;

/**
 * What an instance may reach over the network. `outbound`: other machines, and nothing of this one but its own door; where that
 * cannot be enforced the report says so. `none`: nothing but its own door.
 */
export const NetworkAccess = Type.Union([Type.Literal("outbound"), Type.Literal("none")]);
export type NetworkAccess = Static<typeof NetworkAccess>;

/** One attempt of the canary at something that an instance must not be able to do. */
export const IsolationCheck = Type.Object(
  {
    /** Such as `read-agent-files`. */
    name: Type.String({ pattern: "^[a-z][a-z0-9-]*$", maxLength: 64 }),
    /** The lowest level that needs it. */
    level: IsolationLevel,
    /** The canary failed at it, as it should. */
    holds: Type.Boolean(),
    /** What the canary saw: an error's code, a number, a path. */
    evidence: Type.String({ maxLength: 300 }),
  },
  extensible,
);
export type IsolationCheck = Static<typeof IsolationCheck>;

/** What the agent of a cluster proved of its instances; made anew when it starts and when the ways it starts them change. */
export const IsolationReport = Type.Object(
  {
    /** The highest level of which all checks hold, and those of the levels below. */
    level: IsolationLevel,
    /** When the canary ran last, in milliseconds since 1970. */
    provedAtMs: Type.Integer({ minimum: 0 }),
    checks: Type.Array(IsolationCheck, { maxItems: 64 }),
    /** Why the next level is not there, and what is weaker than it sounds; sentences for an operator. */
    notes: Type.Array(Type.String({ maxLength: 300 }), { maxItems: 16 }),
  },
  extensible,
);
export type IsolationReport = Static<typeof IsolationReport>;
