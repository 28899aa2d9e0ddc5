import { strict as assert } from "node:assert";
import { Duplex } from "node:stream";
import type { ILeaseKeepAliveResponse } from "etcd3";
import { type EtcdFailure, etcdFailure } from "#lib/io/etcd/etcd-failure.ts";
import type { EtcdRole } from "#lib/io/etcd/etcd-role.ts";

/** A member takes thousands a second; more than this unanswered means that it does not. */
const UNANSWERED_MAX = 10_000;

/** Renewals over one stream, made when it is first needed and again after it broke. */
export interface LeaseStream {
  /** Rejects when the stream breaks. The answer is to this very request, so that a holder may count from its sending. */
  readonly renew: (leaseId: string) => Promise<"renewed" | "gone">;
  /** For one that owes an answer for too long. */
  readonly breakOff: (detail: string) => void;
  readonly close: () => void;
}

interface Unanswered {
  readonly leaseId: string;
  readonly settled: PromiseWithResolvers<"renewed" | "gone">;
}

interface Running {
  readonly write: (leaseId: string) => void;
  readonly end: (failure: EtcdFailure) => void;
}

export function leaseStream(role: EtcdRole, openEndsAtMs: () => number): LeaseStream {
  let opening: Promise<Running> | undefined;
  let running: Running | undefined;
  /** In the order of sending, which is that of the answers. */
  let unanswered: Unanswered[] = [];

  const open = async (): Promise<Running> => {
    const { stream, failed } = await role.open(
      ({ client, options }) => client.leaseClient.leaseKeepAlive(options),
      openEndsAtMs(),
    );
    assert(stream instanceof Duplex, "grpc-js streams are Node's");
    const end = (failure: EtcdFailure): void => {
      if (running !== opened) return;
      running = undefined;
      opening = undefined;
      failed(failure);
      const waiting = unanswered;
      unanswered = [];
      for (const { settled } of waiting) settled.reject(new Error(failure.detail));
      stream.cancel();
    };
    const opened: Running = { write: (leaseId) => stream.write({ ID: leaseId }), end };
    running = opened;
    stream.on("error", (error) => end(etcdFailure(error)));
    stream.on("end", () => end(lost("the member ended the stream")));
    stream.on("data", ({ ID, TTL }: ILeaseKeepAliveResponse) => {
      const first = unanswered.shift();
      if (first?.leaseId !== ID) return end(lost("an answer to another request came"));
      first.settled.resolve(Number(TTL) > 0 ? "renewed" : "gone");
    });
    return opened;
  };

  return {
    renew: async (leaseId) => {
      opening ??= open().catch((error: unknown) => {
        opening = undefined;
        throw error;
      });
      const { write } = await opening;
      if (unanswered.length >= UNANSWERED_MAX) throw new Error("too many renewals are waiting");
      const waiting = { leaseId, settled: Promise.withResolvers<"renewed" | "gone">() };
      unanswered.push(waiting);
      write(leaseId);
      return await waiting.settled.promise;
    },
    breakOff: (detail) => running?.end(lost(detail)),
    close: () => running?.end(lost("this connection to the catalog is closed")),
  };
}

const lost = (detail: string): EtcdFailure => ({ kind: "lost", reason: undefined, detail });
