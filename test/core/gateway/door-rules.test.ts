import assert from "node:assert/strict";
import { test } from "node:test";
import { calm, countIdleFrame, IDLE_FRAMES_MAX } from "../../../gateway/core/flood-guard.ts";
import { slackAfter } from "../../../gateway/core/transfer-pace.ts";

const limits = { stallMs: 10_000, bytesPerSecondMin: 1_000 };

/** Chunks as they come: how long each was waited for, and its bytes. */
const transfers: readonly (readonly [
  name: string,
  chunks: readonly (readonly [waitedMs: number, bytes: number])[],
  isCut: boolean,
])[] = [
  ["one byte a second", Array.from({ length: 60 }, () => [1_000, 1] as const), true],
  ["a kibibyte a second", Array.from({ length: 600 }, () => [1_000, 1_024] as const), false],
  ["a pause just within the limit", [[9_999, 1]], false],
  ["a pause beyond it", [[10_001, 1]], true],
  [
    "two pauses that add up",
    [
      [6_000, 1],
      [6_000, 1],
    ],
    true,
  ],
  [
    "two pauses with enough between them",
    [
      [6_000, 1],
      [0, 6_000],
      [6_000, 1],
    ],
    false,
  ],
  [
    "a pause after much was sent at once",
    [
      [0, 50_000_000],
      [10_001, 1],
    ],
    true,
  ],
];

for (const [name, chunks, isCut] of transfers)
  test(`a transfer of ${name} ${isCut ? "is cut off" : "goes on"}`, () => {
    let slackMs = limits.stallMs;
    let isOver = false;
    for (const [waitedMs, bytes] of chunks) {
      isOver ||= waitedMs > slackMs;
      slackMs = slackAfter(slackMs, waitedMs, bytes, limits);
    }
    assert.equal(isOver, isCut);
  });

/** Frames at an even pace; undefined where they were too many. */
function countedAt(paceMs: number, frames: number) {
  let guard: ReturnType<typeof countIdleFrame> = calm(0);
  for (let frame = 0; frame < frames && guard !== undefined; frame += 1)
    guard = countIdleFrame(guard, frame * paceMs);
  return guard;
}

test("idle frames are borne up to their number, and at a slow pace for ever", () => {
  assert.notEqual(countedAt(0, IDLE_FRAMES_MAX), undefined);
  assert.equal(countedAt(0, IDLE_FRAMES_MAX + 1), undefined);
  assert.notEqual(countedAt(100, 10_000), undefined);
  assert.equal(countedAt(10, 10_000), undefined);
});
