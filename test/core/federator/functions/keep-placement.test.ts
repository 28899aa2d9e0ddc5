import assert from "node:assert/strict";
import { test } from "node:test";
import { isWider } from "../../../../federator/core/functions/keep-placement.ts";
import { ZONES } from "../../../io/federator-api/zones.ts";

interface Case {
  readonly after: string[];
  readonly before: string[];
  readonly isWider: boolean;
}
const cases: readonly Case[] = [
  { after: [], before: [], isWider: false },
  { after: ["eu"], before: [], isWider: false },
  { after: [], before: ["eu"], isWider: true },
  { after: ["eu"], before: ["eu"], isWider: false },
  { after: ["eu-west"], before: ["eu"], isWider: false },
  { after: ["eu", "us"], before: ["eu"], isWider: true },
  { after: ["us"], before: ["eu"], isWider: true },
  // More zones may come.
  { after: [], before: ["eu", "us", "in"], isWider: true },
];
for (const { after, before, isWider: expected } of cases)
  test(`[${after.join(" ")}] is ${expected ? "" : "not "}wider than [${before.join(" ")}]`, () => {
    assert.equal(isWider([{ regions: after }], [{ regions: before }], ZONES), expected);
  });
