import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AdmittedCall, PermittedCall } from "../../../gateway/call.ts";
import { createHeldBodies } from "../../../gateway/core/held-bodies.ts";
import { createDemandMeter } from "../../../gateway/core/measure-demand.ts";
import { createTenantLimits } from "../../../gateway/core/tenant-limits.ts";
import type { Answer } from "../../../gateway/ports.ts";
import { admit } from "../../../gateway/stages/admit.ts";

const UPLOAD_MS = 60_000;
const LIMITS = { "requests-per-second": 1_000, burst: 1_000, concurrency: 1 };

interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  readonly hasBody?: boolean;
  readonly upgrade?: string;
  readonly interface?: "http";
  readonly readBody?: () => Promise<Uint8Array>;
}

/** The stage by itself: what it lets through, what it answers, and the rate that it took. */
function admitting() {
  let nowMs = 1_000;
  const clock = { nowMs: () => nowMs, wallMs: () => nowMs, sleep: () => Promise.resolve() };
  const limits = createTenantLimits(1_000_000, 0);
  const heldBodies = createHeldBodies({ bytesMax: 1, tenantBytesMax: 1 });
  const admitted: AdmittedCall[] = [];
  const stage = admit({ clock, limits, demand: createDemandMeter(), heldBodies })(async (call) => {
    admitted.push(call);
    return { status: 200, headers: {}, body: "" };
  });
  const ask = (asked: Asked): Promise<Answer> => {
    const { headers = {}, readBody = async () => new Uint8Array() } = asked;
    const arrival = {
      receivedAtMs: nowMs,
      headers,
      hasBody: asked.hasBody ?? true,
      upgrade: asked.upgrade,
      finished: new Promise(() => undefined),
      readBody,
    };
    const version = { manifest: { timeoutMs: 3_000, interface: asked.interface } };
    const call = { arrival, version, door: { tenant: "demo" }, limits: LIMITS, receipt: {} };
    return stage(call as unknown as PermittedCall);
  };
  const tokens = (): number => limits.state(nowMs)[0]?.tokens ?? 0;
  return { ask, admitted, tokens, pass: (ms: number) => (nowMs += ms) };
}

/** What a call whose body takes a minute to arrive has, from its arrival on. */
async function deadlineOf(headers: Readonly<Record<string, string>>): Promise<number> {
  const { ask, admitted, pass } = admitting();
  const readBody = async (): Promise<Uint8Array> => {
    pass(UPLOAD_MS);
    return new Uint8Array();
  };
  await ask({ headers, readBody });
  return (admitted[0]?.deadlineAtMs ?? 0) - 1_000;
}

test("a slow upload uses up none of the function's time, and all of what its caller asked for", async () => {
  assert.equal(await deadlineOf({}), UPLOAD_MS + 3_000 + 10_000);
  assert.equal(await deadlineOf({ "meridian-timeout-ms": "5000" }), 5_000);
});

describe("concurrent calls", () => {
  test("bodies that do not come take none of them", async () => {
    const { ask, admitted } = admitting();
    const never = { readBody: () => new Promise<never>(() => undefined) };
    for (let call = 0; call < 50; call += 1) void ask(never);
    assert.equal((await ask({})).status, 200);
    assert.equal(admitted.length, 1);
  });

  test("a call that finds them taken is turned away before its body is asked for, and costs no rate", async () => {
    const { ask, tokens } = admitting();
    await ask({});
    const before = tokens();
    const readBody = () => assert.fail("it was asked for its body");
    assert.equal((await ask({ readBody })).status, 429);
    assert.equal(tokens(), before);
  });

  test("so is one that finds them taken when its body is whole", async () => {
    const { ask, tokens, admitted } = admitting();
    const whole = Promise.withResolvers<Uint8Array>();
    const late = ask({ readBody: () => whole.promise });
    await ask({});
    const before = tokens();
    whole.resolve(new Uint8Array());
    assert.equal((await late).status, 429);
    assert.equal(tokens(), before + 1);
    assert.equal(admitted.length, 1);
  });
});

describe("whether a body is streamed", () => {
  const cases: readonly (readonly [name: string, asked: Asked, isStreamed: boolean])[] = [
    ["a handler's never is", { headers: { "content-length": "6000000" } }, false],
    ["a server's without a length is", { interface: "http" }, true],
    ["one beyond 64 KiB is", { interface: "http", headers: { "content-length": "65537" } }, true],
    ["one of 64 KiB is not", { interface: "http", headers: { "content-length": "65536" } }, false],
    ["none is not", { interface: "http", hasBody: false }, false],
    [
      "one that announces trailers is",
      { interface: "http", headers: { "content-length": "5", trailer: "x-sum" } },
      true,
    ],
    ["an upgrade's is", { interface: "http", hasBody: false, upgrade: "websocket" }, true],
  ];
  for (const [name, asked, isStreamed] of cases)
    test(name, async () => {
      const { ask, admitted } = admitting();
      await ask(asked);
      assert.equal(admitted[0]?.body instanceof Uint8Array, !isStreamed);
    });

  test("a handler is not asked for an upgrade", async () => {
    const asking = admitting().ask({ hasBody: false, upgrade: "websocket" });
    await assert.rejects(asking, { code: "MERIDIAN_UPGRADE_UNSUPPORTED" });
  });
});
