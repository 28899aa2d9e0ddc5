import type { Runtime } from "#lib/contracts/function-manifest.ts";
import type { NetworkAccess } from "#lib/contracts/isolation.ts";

/** What a process is started with and cannot be given later: runners of one class serve all functions that ask for no other. */
export interface PoolClass {
  readonly runtime: Exclude<Runtime, "provided">;
  readonly memoryMegabytes: number;
  readonly network: NetworkAccess;
}

interface Asked {
  readonly runtime: Runtime;
  readonly interface?: "handler" | "http";
  readonly memoryMegabytes: number;
  readonly network?: NetworkAccess | undefined;
  readonly environment: Readonly<Record<string, string>>;
}

/** Read once by the runtime or the system's libraries, before a runner is told whose function it has. */
const READ_AT_START =
  /^(?:(?:NODE|PYTHON|LD|UV|OPENSSL|SSL_CERT|MALLOC|LC|OMP|OPENBLAS|MKL)_?.*|LANG|LANGUAGE|TZ|TZDIR|GLIBC_TUNABLES|NO_COLOR|FORCE_COLOR)$/;

/** Undefined: it needs a process of its own from the start. */
export function poolClassOf(asked: Asked): PoolClass | undefined {
  const { runtime, memoryMegabytes, network = "outbound", environment } = asked;
  if (runtime === "provided" || asked.interface === "http") return undefined;
  if (Object.keys(environment).some((name) => READ_AT_START.test(name))) return undefined;
  return { runtime, memoryMegabytes, network };
}

export const poolKey = ({ runtime, memoryMegabytes, network }: PoolClass): string =>
  `${runtime}/${memoryMegabytes}/${network}`;
