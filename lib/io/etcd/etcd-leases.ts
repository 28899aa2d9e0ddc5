import { etcdAmbiguous, etcdError, etcdFailure } from "#lib/io/etcd/etcd-failure.ts";
import type { CallLimits, EtcdRole } from "#lib/io/etcd/etcd-role.ts";
import { leaseStream } from "#lib/io/etcd/lease-stream.ts";
import { withinDeadline } from "#lib/io/within-deadline.ts";
import type { Clock } from "#lib/ports/clock.ts";

export interface EtcdLeases {
  readonly grant: (ttlMs: number, limits: CallLimits) => Promise<string>;
  readonly renew: (leaseId: string, limits: CallLimits) => Promise<"renewed" | "gone">;
  readonly revoke: (leaseId: string, limits: CallLimits) => Promise<void>;
  readonly close: () => void;
}

/** etcd's ids are numbers of 63 bits; this one it does not give. */
const NO_LEASE = "9223372036854775807";

/** Anything but a lease id of etcd is the id of no lease. */
export const toLeaseId = (leaseId: string): string =>
  /^[1-9]\d{0,17}$/.test(leaseId) || (/^[1-9]\d{18}$/.test(leaseId) && leaseId < NO_LEASE)
    ? leaseId
    : NO_LEASE;

/** Leases on etcd's clock, which counts whole seconds: a lease lives as long as asked or a little longer, never less. */
export function etcdLeases(role: EtcdRole, clock: Clock, attemptTimeoutMs: number): EtcdLeases {
  const stream = leaseStream(role, () => clock.nowMs() + attemptTimeoutMs);

  return {
    grant: async (ttlMs, limits) => {
      // A grant whose answer was lost holds nothing and ends by itself.
      const TTL = Math.ceil(ttlMs / 1_000);
      const { ID } = await role.repeat(
        ({ client, options }) => client.leaseClient.leaseGrant({ TTL, ID: 0 }, options),
        limits,
      );
      return ID;
    },
    renew: async (leaseId, limits) => {
      const id = toLeaseId(leaseId);
      for (let failures = 1; ; failures++) {
        const timeoutMs = Math.max(1, Math.min(attemptTimeoutMs, limits.endsAtMs - clock.nowMs()));
        try {
          return await withinDeadline(
            stream.renew(id),
            { clock, timeoutMs, signal: limits.signal },
            (reason) => new Error(reason),
          );
        } catch (cause) {
          const failure = etcdFailure(cause);
          if (failure.kind === "refused") throw etcdError(failure, cause);
          if (limits.signal?.aborted !== true) stream.breakOff(failure.detail);
          await role.pause(failures, limits, failure);
        }
      }
    },
    revoke: async (leaseId, limits) => {
      let mayHaveHappened = false;
      for (let failures = 1; ; failures++) {
        const sent = await role.send(
          ({ client, options }) =>
            client.leaseClient.leaseRevoke({ ID: toLeaseId(leaseId) }, options),
          limits.endsAtMs,
        );
        if (sent.kind === "answered" || sent.failure.reason === "unknown-lease") return;
        const { failure, cause } = sent;
        mayHaveHappened ||= failure.kind === "lost";
        if (failure.kind === "refused") throw etcdError(failure, cause);
        await role.pause(failures, limits, failure).catch((error: unknown) => {
          throw mayHaveHappened ? etcdAmbiguous(failure.detail, error) : error;
        });
      }
    },
    close: stream.close,
  };
}
