import {
  type MemoryReplicaDisk,
  memoryReplicaStore,
} from "../../../federator/io/replica/memory-replica-store.ts";
import type { ReplicaStore } from "../../../federator/io/replica/replica-store.ts";
import type { Host } from "../engine/host.ts";
import type { SeededRandom } from "../engine/seeded-random.ts";

const COMMIT_MS = { low: 0.2, high: 4 } as const;

/** The production store in memory, with a disk that takes its time: what was not committed when the process died is not there. */
export function openReplicaDisk(
  disk: MemoryReplicaDisk,
  host: Host,
  random: SeededRandom,
): ReplicaStore {
  const store = memoryReplicaStore(disk);
  let last: Promise<unknown> = Promise.resolve();
  return {
    ...store,
    run: (call, ...args) => {
      const result = last.then(async () => {
        await host.clock.sleep(random.between(COMMIT_MS.low, COMMIT_MS.high));
        return store.run(call, ...args);
      });
      last = result.catch(() => undefined);
      return result;
    },
  };
}
