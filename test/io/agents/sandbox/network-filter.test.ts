import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { networkFilter } from "../../../../agents/drivers/sandbox/network-filter.ts";
import type { ToLauncher } from "../../../../agents/launcher/messages.ts";

const INSTANCE = "network-filter-one";

function world(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const sent: ToLauncher[] = [];
  const heard: (string | undefined)[] = [];
  const filter = networkFilter({
    users: { from: 2_000, count: 2 },
    prefix: "one",
    endWithLauncher: [],
    send: (message) => sent.push(message),
    nft: "/usr/sbin/nft",
    onChanged: () => heard.push(filter.reason()),
  });
  t.after(filter.close);
  const report = filter.onReport;
  const lastGreeting = (): string => {
    const last = sent.at(-1);
    assert.ok(last?.kind === "start" || last?.kind === "greet");
    return last.greeting ?? "";
  };
  return {
    filter,
    sent,
    heard,
    lastGreeting,
    kinds: () => sent.map(({ kind }) => kind),
    advance: (ms: number) => t.mock.timers.tick(ms),
    ends: (signal: string | null = "SIGKILL", code: number | null = null) =>
      report({ kind: "exited", instance: INSTANCE, code, signal, isOutOfMemory: false }),
    says: (text: string) => report({ kind: "output", instance: INSTANCE, text }),
    /** What nft says of rules that are there. */
    listsRules: () => {
      const [, table] = /list chain inet (\S+) output$/.exec(lastGreeting()) ?? [];
      report({
        kind: "output",
        instance: INSTANCE,
        text: `table inet ${table} { # progname nft\n\tchain output {\n`,
      });
    },
  };
}

test("rules are in force once nft lists them, and not for repeating them in an error", async (t) => {
  const { filter, says, listsRules, lastGreeting } = world(t);
  filter.onConnected();
  says(`Error: Operation not supported\n${lastGreeting()}\n^^^\n`);
  assert.equal(filter.reason(), "the rules are being made");
  listsRules();
  assert.equal(filter.reason(), undefined);
  await filter.settled();
});

test("rules that end with their process are missed, made again and told, both times", async (t) => {
  const { filter, heard, kinds, ends, listsRules, advance } = world(t);
  filter.onConnected();
  listsRules();
  assert.deepEqual([filter.isBroken(), heard], [false, []]);
  ends();
  assert.equal(filter.isBroken(), true);
  assert.deepEqual(heard, ["nft ended: something sent it SIGKILL"]);
  advance(100);
  assert.deepEqual(kinds(), ["start", "start"]);
  const waiting = filter.settled();
  listsRules();
  await waiting;
  assert.equal(filter.isBroken(), false);
  assert.deepEqual(heard, ["nft ended: something sent it SIGKILL", undefined]);
});

test("where rules never were, nothing is broken, and they are tried for less and less often", (t) => {
  const { filter, kinds, heard, ends, advance } = world(t);
  filter.onConnected();
  ends(null, 1);
  advance(999);
  assert.equal(kinds().length, 1);
  advance(1);
  assert.equal(kinds().length, 2);
  ends(null, 1);
  advance(1_999);
  assert.equal(kinds().length, 2);
  advance(1);
  assert.equal(kinds().length, 3);
  assert.equal(filter.isBroken(), false);
  ends(null, 1);
  assert.equal(filter.reason(), "nft ended: it exited with 1");
  assert.deepEqual(heard, []);
});

test("a process that is silent when it is asked for the rules is replaced", (t) => {
  const { filter, kinds, listsRules, ends, advance } = world(t);
  filter.onConnected();
  listsRules();
  advance(30_000);
  assert.deepEqual(kinds(), ["start", "greet"]);
  listsRules();
  advance(30_000);
  assert.deepEqual(kinds(), ["start", "greet", "greet"]);
  advance(30_000);
  assert.deepEqual(kinds(), ["start", "greet", "greet", "kill"]);
  ends();
  advance(100);
  assert.equal(kinds().at(-1), "start");
  assert.equal(filter.isBroken(), true);
});

test("rules that went with the launcher come back with the next one, and are missed meanwhile", (t) => {
  const { filter, kinds, listsRules, heard } = world(t);
  filter.onConnected();
  listsRules();
  filter.onLost();
  assert.equal(filter.isBroken(), true);
  filter.onConnected();
  listsRules();
  assert.equal(filter.isBroken(), false);
  assert.deepEqual(kinds(), ["start", "start"]);
  // A new launcher is proved anyway.
  assert.deepEqual(heard, []);
});
