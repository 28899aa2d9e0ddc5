/** What V8's sampling profiler writes, as far as it is read here. Times are microseconds of the machine's monotonic clock. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly startTime: number;
  /** Of each sample, the node that was running, and how long after the sample before it was taken. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  readonly place: string;
  readonly micros: number;
  /** Of all that was sampled and was not idle. */
  readonly percent: number;
}

/** The functions in which most time passed between the two moments, their callees' time not included. */
export function selfTimes(
  { nodes, startTime, samples, timeDeltas }: CpuProfile,
  fromMicros: number,
  toMicros: number,
  placeOf: (functionName: string, url: string, line: number) => string,
): SelfTime[] {
  const busy = nodes.filter(({ callFrame }) => callFrame.functionName !== "(idle)");
  const places = new Map(
    busy.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      placeOf(functionName, url, lineNumber + 1),
    ]),
  );
  const micros = new Map<string, number>();
  let atMicros = startTime;
  let total = 0;
  for (const [index, node] of samples.entries()) {
    const tookMicros = timeDeltas[index] ?? 0;
    atMicros += tookMicros;
    const place = places.get(node);
    if (atMicros < fromMicros || atMicros > toMicros || place === undefined) continue;
    micros.set(place, (micros.get(place) ?? 0) + tookMicros);
    total += tookMicros;
  }
  return [...micros]
    .map(([place, own]) => ({ place, micros: own, percent: (own / total) * 100 }))
    .toSorted((one, other) => other.micros - one.micros);
}
