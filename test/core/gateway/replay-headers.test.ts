import assert from "node:assert/strict";
import { test } from "node:test";
import { inspectHeaders } from "../../../gateway/core/inspect-headers.ts";
import { keyedRandom, replayHeaders } from "../../../gateway/core/replay-headers.ts";

const UUID = "8e03978e-40d5-43dd-bc93-6894a57f9324";
const asKey = (key: string) => ({
  "meridian-idempotency-key": key,
  "meridian-alias": "live",
});

const passedOn: readonly [string, Record<string, string>, Record<string, string> | undefined][] = [
  ["no key", { "content-type": "text/plain" }, undefined],
  ["a key", { "idempotency-key": UUID }, asKey(UUID)],
  ["a key in quotes, as it is", { "idempotency-key": `"${UUID}"` }, asKey(`"${UUID}"`)],
  [
    "an SDK's id",
    { "amz-sdk-invocation-id": UUID },
    { "meridian-sdk-invocation-id": UUID, "meridian-alias": "live" },
  ],
  ["both: the key", { "idempotency-key": "k", "amz-sdk-invocation-id": UUID }, asKey("k")],
  ["an SDK's id that is none", { "amz-sdk-invocation-id": "a b" }, undefined],
  ["what only the gateway may say", { "meridian-idempotency-key": "k" }, undefined],
];
for (const [what, headers, expected] of passedOn)
  test(`passed on to the agent: ${what}`, () =>
    assert.deepEqual(replayHeaders(headers, "live"), expected));

const judged: readonly [string, boolean][] = [
  [UUID, true],
  ["k", true],
  ['~!@#$%^&*()"', true],
  ["k".repeat(255), true],
  ["k".repeat(256), false],
  ["", false],
  ["two words", false],
  ["\u00e9", false],
  ["tab\tbed", false],
];
for (const [key, isGood] of judged)
  test(`an Idempotency-Key of ${JSON.stringify(key.slice(0, 20))} (${key.length}) is ${isGood ? "taken" : "refused"} at the door`, () => {
    const fault = inspectHeaders(["Host", "a", "Idempotency-Key", key], "1.1");
    assert.equal(fault?.code, isGood ? undefined : "MERIDIAN_BAD_REQUEST");
    if (!isGood) assert.match(String(fault?.reason), /Idempotency-Key/);
  });

test("two keys are refused", () => {
  const twice = ["Host", "a", "Idempotency-Key", "k", "idempotency-key", "k"];
  assert.equal(inspectHeaders(twice, "1.1")?.code, "MERIDIAN_BAD_REQUEST");
});

test("calls with one key throw the same dice, calls with many keys dice like any others", () => {
  const address = { tenant: "demo", functionName: "pay", alias: "live" };
  const drawn = (key: string, name = "idempotency-key") =>
    keyedRandom({ [name]: key }, address)?.next();
  assert.equal(drawn(UUID), drawn(UUID));
  assert.equal(keyedRandom({}, address), undefined);
  for (const name of ["idempotency-key", "amz-sdk-invocation-id"]) {
    const throws = Array.from({ length: 4_000 }, (_, index) => drawn(`k-${index}`, name) ?? -1);
    assert.ok(throws.every((value) => value >= 0 && value < 1));
    const quarters = [0, 0, 0, 0];
    for (const value of throws)
      quarters[Math.floor(value * 4)] = (quarters[Math.floor(value * 4)] ?? 0) + 1;
    assert.ok(
      quarters.every((count) => count > 900),
      quarters.join(", "),
    );
  }
});
