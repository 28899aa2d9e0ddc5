/** Requests offered by each tenant, refused ones included, as an average over about two seconds. */
export interface DemandMeter {
  readonly count: (tenant: string) => void;
  /** Ends an interval; the averages up to now. Tenants whose demand has faded are forgotten. */
  readonly endInterval: (intervalMs: number) => readonly TenantDemand[];
}

export interface TenantDemand {
  readonly tenant: string;
  readonly requestsPerSecond: number;
}

const AVERAGING_MS = 2_000;
const FADED_PER_SECOND = 0.01;

export function createDemandMeter(): DemandMeter {
  const counts = new Map<string, number>();
  let averages = new Map<string, number>();
  return {
    count: (tenant) => {
      counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
    },
    endInterval: (intervalMs) => {
      const weight = 1 - Math.exp(-intervalMs / AVERAGING_MS);
      const next = new Map<string, number>();
      for (const tenant of new Set([...averages.keys(), ...counts.keys()])) {
        const before = averages.get(tenant) ?? 0;
        const perSecond = ((counts.get(tenant) ?? 0) * 1_000) / intervalMs;
        const average = before + (perSecond - before) * weight;
        if (average >= FADED_PER_SECOND) next.set(tenant, average);
      }
      counts.clear();
      averages = next;
      return [...averages].map(([tenant, requestsPerSecond]) => ({ tenant, requestsPerSecond }));
    },
  };
}
