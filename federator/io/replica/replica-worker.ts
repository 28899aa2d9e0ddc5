import { parentPort, workerData } from "node:worker_threads";
import { type ReplicaEngine, replicaEngine, type StoredReplica } from "./replica-engine.ts";
import { type FileFault, faultOf } from "./sqlite-replica-file.ts";
import { sqliteReplicaTables } from "./sqlite-replica-tables.ts";

/*
 * The one writer of the zone's copy, in a thread of its own so that no fsync stops the federator. The first answer is the state
 * that the disk was found in.
 */
export interface ReplicaRequest {
  readonly id: number;
  readonly call: keyof ReplicaEngine;
  readonly args: readonly unknown[];
}
export type ReplicaAnswer =
  | {
      readonly id: number;
      readonly kind: "done";
      readonly result: unknown;
      readonly state: StoredReplica | undefined;
    }
  | {
      readonly id: number;
      readonly kind: "failed";
      readonly reason: string;
      readonly fault: FileFault;
    };

const port = parentPort;
if (port === null) throw new Error("this is the replica's thread, not a program");
const { file } = workerData as { readonly file: string };
let opened: ReplicaEngine | undefined;
port.on("message", (request: ReplicaRequest) => port.postMessage(answer(request)));

function answer({ id, call, args }: ReplicaRequest): ReplicaAnswer {
  try {
    const engine = (opened ??= replicaEngine(sqliteReplicaTables(file)));
    // The other side has the engine's own types for each call: see `ReplicaStore.run`.
    const step = engine[call] as (...args: readonly unknown[]) => unknown;
    const result = step(...args);
    return { id, kind: "done", result, state: call === "close" ? undefined : engine.state() };
  } catch (error) {
    return { id, kind: "failed", reason: String(error), fault: faultOf(error) };
  }
}
