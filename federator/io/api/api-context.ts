import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyRequest,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { Logger } from "pino";
import type { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { InternalClient } from "#lib/io/internal-client.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { CodeStore } from "#lib/ports/code-store.ts";
import type { KeyEncryption } from "#lib/ports/key-encryption.ts";
import type { Action } from "../../core/authorize.ts";
import type { Federation, Replica } from "../../ports.ts";
import type { Audit } from "../audit/audit.ts";
import type { Caller } from "./authenticate.ts";
import type { CatalogDesk } from "../replica/catalog-desk.ts";
import type { OpenDecisions } from "../replica/open-decisions.ts";

/** What the management API stands on. */
export interface ApiPorts {
  readonly catalog: Catalog;
  readonly replica: Replica;
  readonly federation: Federation;
  readonly codeStore: CodeStore;
  /** False while this zone cannot know all that refers to its code, whatever the replica's age says. */
  readonly mayCollectCode: () => boolean;
  readonly audit: Audit;
  /** What must be decided before anything is changed; absent where nothing is ever stranded. */
  readonly openDecisions?: OpenDecisions | undefined;
  /** Absent where the replica is none of `startReplica`: then there is nothing to decide on. */
  readonly catalogDesk?: CatalogDesk | undefined;
  readonly client: InternalClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** Absent: secrets are refused. */
  readonly keyEncryption?: KeyEncryption | undefined;
  readonly zones: readonly Zone[];
  /** The name of this federator's zone. */
  readonly zone: string;
  readonly bootToken: string;
}

export type Api = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module "fastify" {
  interface FastifyContextConfig {
    /** What the route does; a route without one asks for no API key. */
    readonly action?: Action;
  }
  interface FastifyRequest {
    /** Who calls; set before the handler of every route with an action. */
    caller: Caller | null;
  }
}

/** Who calls; only for handlers of routes that have an action. */
export function callerOf(request: { readonly caller: Caller | null }): Caller {
  if (request.caller === null) throw new Error("the route has no action, so it has no caller");
  return request.caller;
}

/** The story of a change, as it enters the catalog and the audit. */
export function changeBy(
  request: Pick<FastifyRequest, "id" | "caller">,
  action: string,
  tenant: string | null,
  subject: string,
  atMs: number,
  detail: ChangeRecord["detail"] = {},
): ChangeRecord {
  return {
    action,
    actor: request.caller?.actor ?? "nobody",
    requestId: request.id,
    tenant,
    subject,
    detail,
    atMs,
  };
}
