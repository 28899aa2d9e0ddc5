import type { TestContext } from "node:test";
import { Registry } from "prom-client";
import { Value } from "typebox/value";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { Scaling } from "#lib/contracts/scaling.ts";
import type { IdleGaps } from "../../../../agents/core/scaling/idle-gaps.ts";
import type { InstanceDriver } from "../../../../agents/drivers/driver.ts";
import { agentMetrics } from "../../../../agents/io/agent-metrics.ts";
import type { CallOutcome } from "../../../../agents/io/call-outcome.ts";
import { startsAtOnce } from "../../../../agents/io/exchange.ts";
import { type InstancePools, instancePools } from "../../../../agents/io/instance-pools.ts";
import type { PoolVersion } from "../../../../agents/io/pool-version.ts";

export interface VirtualPools {
  readonly pools: InstancePools;
  readonly call: (of: PoolVersion, deadlineMs?: number) => Promise<CallOutcome>;
  /** Time goes on, timers ring, and what follows from them happens. */
  readonly advance: (ms: number) => Promise<void>;
  /** The clock alone goes on, as after a machine's sleep. */
  readonly jump: (ms: number) => void;
  /** Instances by state. */
  readonly count: (kind: string) => number;
}

const STEP_MS = 250;

/** The cluster's pools on a driver of the test, with timers and a clock that only the test moves. */
export function virtualPools(
  t: TestContext,
  driver: InstanceDriver,
  limits: { readonly instancesMax?: number; readonly lastIdleMs?: number } = {},
  learnt: ReadonlyMap<string, IdleGaps> = new Map(),
): VirtualPools {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  let nowMs = 1_000_000;
  const clock = {
    nowMs: () => nowMs,
    wallMs: () => nowMs,
    sleep: (delayMs: number) => new Promise<void>((resolve) => void setTimeout(resolve, delayMs)),
  };
  const pools = instancePools(
    {
      driver,
      code: {
        hold: () => Promise.resolve({ directory: "/", release: () => undefined }),
        has: () => true,
        bytesMax: 1,
        close: () => Promise.resolve(),
      },
      secrets: { environmentOf: () => Promise.resolve({}) },
      clock,
      metrics: agentMetrics(new Registry(), { loads: () => [], isolation: () => undefined, clock }),
      usage: { callBegan: () => () => undefined },
      onLog: () => undefined,
    },
    {
      instancesMax: limits.instancesMax ?? 100,
      startsMax: 8,
      queueLengthMax: 1_000,
      initTimeoutMs: 10_000,
      extraIdleMs: 5_000,
      lastIdleMs: limits.lastIdleMs ?? 60_000,
    },
    () => 1_000,
    learnt,
  );
  t.after(async () => {
    pools.close();
    await driver.close();
  });
  return {
    pools,
    call: (of, deadlineMs = 60_000) =>
      pools.run(of, {
        requestId: "r-1",
        input: { kind: "event", json: Buffer.from("null") },
        deadlineAtMs: nowMs + deadlineMs,
        signal: new AbortController().signal,
        leave: startsAtOnce,
      }),
    advance: async (ms) => {
      for (let leftMs = ms; leftMs > 0; leftMs -= STEP_MS) {
        const stepMs = Math.min(STEP_MS, leftMs);
        nowMs += stepMs;
        t.mock.timers.tick(stepMs);
        await settled();
      }
      await settled();
    },
    jump: (ms) => {
      nowMs += ms;
    },
    count: (kind) =>
      pools
        .loads()
        .flatMap(({ instances }) => instances)
        .filter(({ state }) => state.kind === kind).length,
  };
}

/** All promises that wait for no timer are settled. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

export function versionOf(functionName: string, scaling?: Scaling, version = 1): PoolVersion {
  const manifest = Value.Parse(
    FunctionManifest,
    Value.Default(FunctionManifest, {
      name: functionName,
      placement: {},
      timeoutMs: 60_000,
      ...(scaling && { scaling }),
    }),
  );
  const codeDigest = `sha256:${"0".repeat(64)}`;
  return {
    tenant: "demo",
    functionName,
    version: { version, codeDigest, codeBytes: 1, manifest },
  };
}
