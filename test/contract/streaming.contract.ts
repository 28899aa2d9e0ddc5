import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type {
  Instance,
  InstanceCall,
  InstanceLog,
  StreamingAnswer,
} from "../../agents/drivers/driver.ts";

/** What a function of the contract does, whichever way it streams. */
export type Act =
  | "waitsForFile"
  | "writesMuch"
  | "breaksOff"
  | "neverEnds"
  | "saysHead"
  | "saysNothing"
  | "exits";

export interface StreamingHarness {
  readonly start: (act: Act, onLog: (line: InstanceLog) => void) => Instance;
  readonly call: (
    instance: Instance,
    act: Act,
    event: Readonly<Record<string, unknown>>,
  ) => InstanceCall;
  /** Where the answer that says nothing has no body to be streamed. */
  readonly isEmptyWhole: boolean;
}

const MEBIBYTE = 1024 * 1024;

/** What every way to stream an answer must do; `open` makes a fresh one for each test and closes it afterwards. */
export function streamingContract(
  name: string,
  open: (t: TestContext) => Promise<StreamingHarness>,
): void {
  const it = (sentence: string, act: Act, run: (world: World) => Promise<void>): void => {
    void test(`${name}: ${sentence}`, async (t) => run(await begin(await open(t), act)));
  };

  it("the first part is here before the last is made", "waitsForFile", async ({ stream }) => {
    const directory = await mkdtemp(join(tmpdir(), "streaming-"));
    const file = join(directory, "go");
    const { body, over } = await stream({ file });
    const [first] = (await body.iterator({ destroyOnReturn: false }).next()).value
      .toString()
      .split(",");
    assert.equal(first, "first");
    await writeFile(file, "");
    assert.equal(await text(body), "last");
    assert.deepEqual(await over, { kind: "whole" });
    await rm(directory, { recursive: true });
  });

  it("who does not read on holds up the function", "writesMuch", async ({ stream, lines }) => {
    const { body, over } = await stream({ bytes: 64 * MEBIBYTE });
    const reader = body.iterator({ destroyOnReturn: false });
    await reader.next();
    // Until it stands still. Too short a look finds no fault, and none finds one that is not there.
    const written = (): number => lines.join("").split("wrote").length - 1;
    let writtenMebibytes = -1;
    while (writtenMebibytes !== written()) {
      writtenMebibytes = written();
      await sleep(500);
    }
    assert.ok(writtenMebibytes < 16, `${writtenMebibytes} MiB were written for nobody`);
    assert.ok(body.readableLength <= MEBIBYTE, `${body.readableLength} bytes wait here`);
    let bytes = 0;
    for await (const chunk of body) bytes += chunk.length;
    assert.ok(bytes > 62 * MEBIBYTE);
    assert.deepEqual(await over, { kind: "whole" });
  });

  it(
    "an answer that breaks off fails its reader, and its instance goes on",
    "breaksOff",
    async ({ stream, instance, again }) => {
      for (const one of [await stream({}), await again({})]) {
        await assert.rejects(text(one.body));
        assert.equal((await one.over).kind, "error");
      }
      instance.kill();
    },
  );

  it("a reader who leaves is told to the function", "neverEnds", async ({ stream, lines }) => {
    const { body, over } = await stream({});
    await body.iterator({ destroyOnReturn: false }).next();
    body.destroy();
    assert.deepEqual(await over, { kind: "left" });
    await until(() => lines.join("").includes("nobody is there"));
  });

  it("cancelling breaks the answer off", "neverEnds", async ({ stream, running, lines }) => {
    const { body, over } = await stream({});
    await body.iterator({ destroyOnReturn: false }).next();
    running().cancel();
    assert.notEqual((await over).kind, "whole");
    await until(() => lines.join("").includes("nobody is there"));
  });

  it(
    "an instance that is killed breaks its answers off",
    "neverEnds",
    async ({ stream, instance }) => {
      const { body, over } = await stream({});
      instance.kill();
      await assert.rejects(text(body));
      assert.equal((await over).kind, "ended");
    },
  );

  it("an instance that exits says how to the answer it was at", "exits", async ({ stream }) => {
    const { body, over } = await stream({});
    await assert.rejects(text(body));
    assert.deepEqual(await over, { kind: "ended", end: { kind: "exit", code: 7 } });
  });

  it("the head is the function's, cookies apart", "saysHead", async ({ stream }) => {
    const { head, body } = await stream({});
    assert.equal(head.statusCode, 201);
    assert.deepEqual(head.cookies, ["a=1; Path=/", "b=2"]);
    const headers = head.headers as Record<string, string>;
    assert.equal(headers["content-type"], "text/html");
    assert.equal(headers["x-shape"], "round");
    assert.equal(await text(body), "<p>hello");
  });

  it(
    "an answer that ends before its first byte is empty and whole",
    "saysNothing",
    async ({ running, harness }) => {
      const end = await running().outcome;
      if (harness.isEmptyWhole) assert.equal(end.kind === "answer" && end.body.length, 0);
      else assert.equal(end.kind === "stream" && (await text(end.answer.body)), "");
    },
  );
}

interface World {
  readonly harness: StreamingHarness;
  readonly instance: Instance;
  readonly lines: readonly string[];
  readonly running: () => InstanceCall;
  readonly stream: (event: Readonly<Record<string, unknown>>) => Promise<StreamingAnswer>;
  readonly again: World["stream"];
}

async function begin(harness: StreamingHarness, act: Act): Promise<World> {
  const lines: string[] = [];
  const instance = harness.start(act, ({ text }) => lines.push(text));
  const started = await instance.started;
  assert.equal(started.kind, "ready", JSON.stringify(started));
  let call: InstanceCall | undefined;
  const stream = async (event: Readonly<Record<string, unknown>>): Promise<StreamingAnswer> => {
    call = harness.call(instance, act, event);
    const end = await call.outcome;
    assert.ok(end.kind === "stream", `it ended as ${end.kind}`);
    return end.answer;
  };
  return {
    harness,
    instance,
    lines,
    running: () => call ?? harness.call(instance, act, {}),
    stream,
    again: stream,
  };
}

async function until(holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error(`not within 10 s: ${String(holds)}`);
    await sleep(10);
  }
}
