import assert from "node:assert/strict";
import { test } from "node:test";
import { groupCommit } from "#lib/io/group-commit.ts";
import { failsWith } from "../../contract/catalog/support.ts";
import { manualClock } from "./support/manual-clock.ts";

const LIMITS = { timeoutMs: 10_000, groupMax: 4, queuedMax: 6, queuedBytesMax: 100 };

test("what arrives during a commit goes together into the next, in order, up to the most", async () => {
  const { commits, writes } = start();
  const answers = ["a", "b", "c", "d", "e", "f"].map((write) => writes.write(write, 1));
  assert.deepEqual(commits[0]?.group, ["a"]);
  for (const expected of [["a"], ["b", "c", "d", "e"], ["f"]]) {
    const commit = commits.at(-1);
    assert.deepEqual(commit?.group, expected);
    commit.succeed();
    await turn();
  }
  assert.deepEqual(await Promise.all(answers), ["a!", "b!", "c!", "d!", "e!", "f!"]);
});

test("a failed commit fails its own group and no other", async () => {
  const { commits, writes } = start();
  const first = writes.write("a", 1);
  const second = [writes.write("b", 1), writes.write("c", 1)];
  commits[0]?.succeed();
  await first;
  await turn();
  const failed = second.map((write) => assert.rejects(write, /disk/));
  commits[1]?.fail(new Error("disk"));
  await Promise.all(failed);
  const third = writes.write("d", 1);
  commits[2]?.succeed();
  assert.equal(await third, "d!");
});

test("a write given up in the queue is never made; one given up in its commit is ambiguous", async () => {
  const { clock, commits, writes } = start();
  const leaving = new AbortController();
  const sent = writes.write("sent", 1);
  const queued = writes.write("queued", 1);
  const left = writes.write("left", 1, leaving.signal);
  const isLeft = assert.rejects(left, failsWith("MERIDIAN_CATALOG_UNAVAILABLE"));
  leaving.abort();
  await isLeft;
  const isAmbiguous = assert.rejects(sent, failsWith("MERIDIAN_WRITE_AMBIGUOUS"));
  const isUnavailable = assert.rejects(queued, failsWith("MERIDIAN_CATALOG_UNAVAILABLE"));
  await clock.advance(10_000);
  await Promise.all([isAmbiguous, isUnavailable]);
  const later = writes.write("later", 1);
  commits[0]?.succeed();
  await turn();
  commits[1]?.succeed();
  await later;
  assert.deepEqual(
    commits.map(({ group }) => group),
    [["sent"], ["later"]],
  );
});

test("the queue is bounded in writes and in bytes, and frees its room", async () => {
  const { commits, writes } = start();
  const isFull = failsWith("MERIDIAN_CATALOG_UNAVAILABLE");
  const running = writes.write("running", 1);
  const small = Array.from({ length: 6 }, () => writes.write("small", 1));
  await assert.rejects(async () => await writes.write("one more", 1), isFull);
  for (const expected of [1, 4, 2]) {
    assert.equal(commits.at(-1)?.group.length, expected);
    commits.at(-1)?.succeed();
    await turn();
  }
  await Promise.all([running, ...small]);

  const again = writes.write("running", 1);
  const large = writes.write("large", 90);
  await assert.rejects(async () => await writes.write("too large now", 11), isFull);
  commits.at(-1)?.succeed();
  await turn();
  const fits = writes.write("fits now", 100);
  commits.at(-1)?.succeed();
  await turn();
  commits.at(-1)?.succeed();
  await Promise.all([again, large, fits]);
});

function start() {
  const clock = manualClock();
  const commits: { group: readonly string[]; succeed: () => void; fail: (error: Error) => void }[] =
    [];
  const writes = groupCommit<string, string>(
    (group) => {
      const outcome = Promise.withResolvers<readonly string[]>();
      const succeed = () => outcome.resolve(group.map((write) => `${write}!`));
      commits.push({ group, succeed, fail: outcome.reject });
      return outcome.promise;
    },
    clock,
    LIMITS,
  );
  return { clock, commits, writes };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
