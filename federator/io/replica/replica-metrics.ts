import { Gauge, type Registry } from "prom-client";
import type { KeptReplica } from "./keep-replica.ts";
import { showGauge } from "../show-gauge.ts";

/** What an operator must hear of: each of these is 0 while all is well. */
export function registerReplicaReadings(
  registry: Registry,
  { replica, repairs }: Pick<KeptReplica, "replica" | "repairs">,
): void {
  const show = (name: string, help: string, read: () => number): void =>
    showGauge(registry, name, help, read);
  show(
    "meridian_replica_stranded_records",
    "Records that a restored catalog lost and this zone keeps until an operator decides",
    () => replica.stranded().count,
  );
  show(
    "meridian_catalog_refused",
    "1 while the catalog that this zone finds is not that of its federation, or too new",
    () => (replica.refusal() === null ? 0 : 1),
  );
  const repaired: Gauge<"found_by"> = new Gauge({
    name: "meridian_replica_repaired_records",
    help: "Records that were not as the catalog has them and were put right, since the start",
    labelNames: ["found_by"],
    registers: [registry],
    collect: () => {
      const { byDigest, byScrub } = repairs();
      repaired.set({ found_by: "digest" }, byDigest);
      repaired.set({ found_by: "scrub" }, byScrub);
    },
  });
}
