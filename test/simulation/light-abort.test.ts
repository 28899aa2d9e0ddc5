import assert from "node:assert/strict";
import { test } from "node:test";

/** What one kind of AbortController does, as a list of what was heard in which order. */
function story(Controller: typeof AbortController, Signal: typeof AbortSignal): readonly string[] {
  const heard: string[] = [];
  const say = (what: string) => () => heard.push(what);
  const one = new Controller();
  const other = new Controller();
  const both = Signal.any([one.signal, other.signal]);
  const nested = Signal.any([both, new Controller().signal]);
  const removed = say("removed");
  one.signal.addEventListener("abort", say("first"), { once: true });
  one.signal.addEventListener("abort", removed);
  one.signal.addEventListener("abort", () => heard.push(`both ${both.aborted}`));
  one.signal.removeEventListener("abort", removed);
  both.addEventListener("abort", say("both"));
  nested.addEventListener("abort", () => heard.push(`nested ${String(nested.reason)}`));
  other.signal.addEventListener("abort", say("other"));
  one.abort("over");
  one.abort("again");
  heard.push(`${String(one.signal.reason)} ${String(both.reason)} ${other.signal.aborted}`);
  other.abort();
  heard.push(`${other.signal.reason instanceof DOMException} ${String(both.reason)}`);
  heard.push(`late ${Signal.any([one.signal, other.signal]).aborted}`);
  both.addEventListener("abort", say("never"));
  try {
    one.signal.throwIfAborted();
  } catch (error) {
    heard.push(`threw ${String(error)}`);
  }
  return heard;
}

test("the simulation's AbortController does what the platform's does, in the same order", async () => {
  const expected = story(AbortController, AbortSignal);
  const { useLightAbort } = await import("./engine/light-abort.ts");
  const platform = AbortController;
  useLightAbort();
  assert.notEqual(AbortController, platform);
  assert.deepEqual(story(AbortController, AbortSignal), expected);
  assert.ok(expected.length > 8);
});
