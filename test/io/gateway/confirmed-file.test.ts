import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openConfirmedFile } from "../../../gateway/io/confirmed-file.ts";
import { temporaryFolder } from "../cli/temporary-folder.ts";

const HOUR_MS = 3_600_000;
const NOON_MS = 1_800_000_000_000;
const clockAt = (wallMs: number, nowMs = 0) => ({
  nowMs: () => nowMs,
  wallMs: () => wallMs,
  sleep: () => Promise.resolve(),
});

const restarts: readonly (readonly [name: string, wallMs: number, ageMs: number])[] = [
  ["a minute later", NOON_MS + 60_000, 60_000],
  ["with a clock set right by half a second", NOON_MS - 500, 0],
  ["with a clock that went hours ahead", NOON_MS + 5 * HOUR_MS, 5 * HOUR_MS],
  ["with a clock that went hours back", NOON_MS - 5 * HOUR_MS, Number.POSITIVE_INFINITY],
];
for (const [name, wallMs, ageMs] of restarts)
  test(`a gateway that starts again ${name} takes its table for ${ageMs} ms old`, async (context) => {
    const path = join(await temporaryFolder(context, {}), "confirmed.json");
    await (await openConfirmedFile(path, clockAt(NOON_MS))).note(0);
    assert.equal((await openConfirmedFile(path, clockAt(wallMs))).ageAtStartMs, ageMs);
  });

for (const damaged of [
  "",
  "{",
  '{"confirmedAtWallMs":"now"}',
  '{"confirmedAtWallMs":-1}',
  "\0\0\0",
])
  test(`a file of ${JSON.stringify(damaged)} confirms nothing`, async (context) => {
    const path = join(await temporaryFolder(context, {}), "confirmed.json");
    await writeFile(path, damaged);
    const file = await openConfirmedFile(path, clockAt(NOON_MS));
    assert.equal(file.ageAtStartMs, Number.POSITIVE_INFINITY);
  });

test("a wall clock that jumps while it runs changes nothing of when it writes", async (context) => {
  const path = join(await temporaryFolder(context, {}), "confirmed.json");
  let wallMs = NOON_MS;
  let nowMs = 0;
  const file = await openConfirmedFile(path, {
    ...clockAt(0),
    nowMs: () => nowMs,
    wallMs: () => wallMs,
  });
  const written = async (): Promise<unknown> => JSON.parse(await readFile(path, "utf8"));
  await file.note(0);
  wallMs += 5 * HOUR_MS;
  await file.note(0);
  assert.deepEqual(
    await written(),
    { confirmedAtWallMs: NOON_MS },
    "less than a minute has passed",
  );
  nowMs += 60_000;
  wallMs -= 10 * HOUR_MS;
  await file.note(1_000);
  assert.deepEqual(await written(), { confirmedAtWallMs: NOON_MS - 5 * HOUR_MS - 1_000 });
});
