import assert from "node:assert/strict";
import { test } from "node:test";
import { createConnectionCount } from "../../../gateway/core/connections-per-address.ts";
import { parseNetwork } from "../../../gateway/core/network-address.ts";

const TRUSTED = ["10.0.0.0/8"].flatMap((text) => parseNetwork(text) ?? []);

const cases: readonly (readonly [name: string, peers: readonly string[], isLastTaken: boolean])[] =
  [
    ["as many as may be", ["8.8.8.8", "8.8.8.8"], true],
    ["one more", ["8.8.8.8", "8.8.8.8", "8.8.8.8"], false],
    ["another address", ["8.8.8.8", "8.8.8.8", "8.8.4.4"], true],
    ["the same one inside IPv6", ["8.8.8.8", "::ffff:8.8.8.8", "8.8.8.8"], false],
    ["a network of IPv6", ["2001:db8::1", "2001:db8::2", "2001:db8::3"], false],
    ["the network beside it", ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"], true],
    ["a trusted proxy", ["10.0.0.1", "10.0.0.1", "10.0.0.1"], true],
    ["nobody knows who", ["", "", ""], false],
  ];
for (const [name, peers, isLastTaken] of cases)
  test(`connections of one address, at most two: ${name}`, () => {
    const { enter } = createConnectionCount(2, TRUSTED);
    const taken = peers.map((peer) => enter(peer) !== undefined);
    assert.equal(taken.at(-1), isLastTaken);
    assert.ok(taken.slice(0, 2).every(Boolean));
  });

test("one that ends, however often it says so, makes room for one", () => {
  const { enter } = createConnectionCount(1, []);
  const leave = enter("8.8.8.8");
  assert.equal(enter("8.8.8.8"), undefined);
  leave?.();
  leave?.();
  assert.ok(enter("8.8.8.8"));
  assert.equal(enter("8.8.8.8"), undefined);
});
