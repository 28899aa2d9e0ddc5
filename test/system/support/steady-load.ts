import type { Federation } from "./federation.ts";

/** How calls ended, by the zone they entered and the version that ran them. */
export interface Tally {
  readonly zone: string;
  readonly version: string;
  calls: number;
  errors: number;
}

export interface SteadyLoad {
  readonly tally: (zone: string, version: string) => Readonly<Tally>;
  readonly stop: () => Promise<void>;
}

const CALLERS_PER_ZONE = 4;
const PAUSE_MS = 15;

/** Calls the function through the gateway of every zone until it is stopped; what gets no answer is called again. */
export async function startLoad(
  federation: Federation,
  functionName: string,
  zones: readonly string[],
): Promise<SteadyLoad> {
  const tallies = new Map<string, Tally>();
  const stopping = new AbortController();
  const tally = (zone: string, version: string): Tally => {
    const key = `${zone} ${version}`;
    const known = tallies.get(key) ?? { zone, version, calls: 0, errors: 0 };
    tallies.set(key, known);
    return known;
  };
  const { zones: gateways, tenants } = await federation.credentials();
  const call = async (zone: string): Promise<void> => {
    const answer = await fetch(
      `${gateways[zone]?.gateway}/v1/tenants/demo/functions/${functionName}:invoke`,
      {
        method: "POST",
        body: "{}",
        headers: {
          authorization: `Bearer ${tenants["demo"]?.apiKey}`,
          "content-type": "application/json",
        },
        signal: AbortSignal.timeout(10_000),
      },
    );
    await answer.text();
    const its = tally(zone, answer.headers.get("meridian-version") ?? "none");
    its.calls += 1;
    if (answer.headers.has("meridian-function-error")) its.errors += 1;
  };
  const callForEver = async (zone: string): Promise<void> => {
    while (!stopping.signal.aborted) {
      await call(zone).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  const callers = zones.flatMap((zone) =>
    Array.from({ length: CALLERS_PER_ZONE }, () => callForEver(zone)),
  );
  return {
    tally,
    stop: async () => {
      stopping.abort();
      await Promise.all(callers);
    },
  };
}
