import { InterceptingCall, type Interceptor, status } from "@grpc/grpc-js";
import type { Etcd3 } from "etcd3";
import type { EtcdCallOptions, EtcdConnection } from "#lib/io/etcd/etcd-client.ts";
import { TOKEN_EXPIRED } from "#lib/io/etcd/etcd-failure.ts";

const INVALID_TOKEN = "invalid auth token";

/** The token of one role's client, got when it is first needed and again when etcd no longer takes it. */
export interface EtcdTokens {
  /** Undefined where no user is configured or etcd has no authentication enabled. */
  readonly current: (client: Etcd3, options: EtcdCallOptions) => Promise<string | undefined>;
  /** Forgets the token, unless it was replaced already. */
  readonly expire: (token: string | undefined) => void;
}

/** Authenticates over the client that is to use the token; etcd3 itself would open a channel for it and never close it. */
export function etcdTokens({ credentials }: EtcdConnection): EtcdTokens {
  let asked: Promise<string | undefined> | undefined;
  let known: string | undefined;
  return {
    current: async (client, options) => {
      if (credentials === undefined) return undefined;
      asked ??= authenticate(client, credentials, options);
      const asking = asked;
      try {
        return (known = await asking);
      } catch (error) {
        if (asked === asking) asked = undefined;
        throw error;
      }
    },
    expire: (token) => {
      if (token === known) asked = undefined;
    },
  };
}

async function authenticate(
  client: Etcd3,
  { username, password }: NonNullable<EtcdConnection["credentials"]>,
  options: EtcdCallOptions,
): Promise<string | undefined> {
  try {
    return (await client.auth.authenticate({ name: username, password }, options)).token;
  } catch (error) {
    if (String(error).includes("authentication is not enabled")) return undefined;
    throw error;
  }
}

/** Sends the token; `requireLeader` also lets a member that lost its leader say so instead of falling silent. */
export function withMetadata(
  options: EtcdCallOptions,
  token: string | undefined,
  requireLeader: boolean,
): EtcdCallOptions {
  if (token === undefined && !requireLeader) return options;
  const addMetadata: Interceptor = (callOptions, nextCall) =>
    new InterceptingCall(nextCall(callOptions), {
      start: (metadata, listener, next) => {
        if (token !== undefined) metadata.set("token", token);
        if (requireLeader) metadata.set("hasleader", "true");
        next(metadata, {
          onReceiveStatus: (ended, pass) =>
            pass(
              ended.details.includes(INVALID_TOKEN)
                ? { ...ended, code: status.UNAUTHENTICATED, details: TOKEN_EXPIRED }
                : ended,
            ),
        });
      },
    });
  return { ...options, interceptors: [addMetadata] };
}
