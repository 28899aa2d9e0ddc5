import { Gauge, type Registry } from "prom-client";

/** A figure that is read when the metrics are asked for. */
export function showGauge(
  registry: Registry,
  name: string,
  help: string,
  read: () => number,
): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    registers: [registry],
    collect: () => gauge.set(read()),
  });
}
