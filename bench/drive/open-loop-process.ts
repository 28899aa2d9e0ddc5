import { Buffer } from "node:buffer";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { machineNowMs } from "#lib/io/machine-clock.ts";
import { type Lane, openLane, requestBytes } from "./lane.ts";
import { CALL_NUMBER_PLACE, callNumberText, type DrivenCall, type OpenLoopPlan } from "./plan.ts";

/*
 * Sends each call when it is due, whatever became of those before it: on an idle connection, or on a new one where all wait for
 * answers. Never repeats a call.
 */
const LANES_MAX = 4_000;

interface Place {
  lane: Lane;
  isOpen: boolean;
  /** Of the call that waits for its answer there. */
  onEnd: ((failure: string | null, body: string) => void) | undefined;
}

const plan: OpenLoopPlan = JSON.parse(await text(process.stdin));
const url = new URL(plan.url);
const template = requestBytes(url, plan.headers, plan.body);
const numberAt = template.lastIndexOf(CALL_NUMBER_PLACE);
const callsMax = Math.round(plan.perSecond * plan.seconds);
const ended: DrivenCall[] = [];
const idle: Place[] = [];
const all = new Set<Place>();
const underWay = new Set<Promise<void>>();

for (let number = 1; number <= callsMax;) {
  const nowMs = machineNowMs();
  while (number <= callsMax && dueAtMs(number) <= nowMs) {
    const call = makeCall(number, dueAtMs(number));
    underWay.add(call);
    void call.finally(() => underWay.delete(call));
    number += 1;
  }
  await delay(1);
}
await Promise.all(underWay);
for (const { lane } of all) lane.close();
process.stdout.write(`${JSON.stringify(ended)}\n`);

function dueAtMs(number: number): number {
  return plan.startAtMs + ((number - 1) * 1_000) / plan.perSecond;
}

async function makeCall(number: number, dueMs: number): Promise<void> {
  const request = Buffer.from(template);
  if (numberAt >= 0) request.write(callNumberText(number), numberAt, "latin1");
  const sentMs = machineNowMs();
  const failure = await send(request, number, dueMs + plan.timeoutMs - sentMs);
  ended.push({ number, dueMs, sentMs, endedMs: machineNowMs(), failure });
}

function send(request: Buffer, number: number, limitMs: number): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const place = idle.pop();
  if (place === undefined && all.size >= LANES_MAX) return Promise.resolve("not sent");

  const begin = (taken: Place): void => {
    const timer = setTimeout(() => {
      taken.lane.close();
      all.delete(taken);
      resolve("timeout");
    }, limitMs);
    taken.onEnd = (failure, body) => {
      clearTimeout(timer);
      const isOthers = plan.isNumberAnswered && !body.includes(callNumberText(number));
      resolve(failure ?? (isOthers ? "answer of another call" : null));
    };
    // A connection that is still opening sends what is written to it once it is open.
    taken.lane.send(request);
  };
  begin(place ?? openPlace());
  return promise;
}

function openPlace(): Place {
  const forget = (): void => {
    all.delete(place);
    const at = idle.indexOf(place);
    if (at >= 0) idle.splice(at, 1);
  };
  const lane = openLane(url, plan.isNumberAnswered, {
    onOpen: () => {
      place.isOpen = true;
    },
    onAnswer: ({ status, body }) => {
      const { onEnd } = place;
      // What nobody asked for, such as a farewell, is the connection's last word.
      if (onEnd === undefined) {
        lane.close();
        return forget();
      }
      place.onEnd = undefined;
      idle.push(place);
      onEnd(status === 200 ? null : failureOf(status, body), body);
    },
    onLost: (reason) => {
      forget();
      place.onEnd?.(place.isOpen ? `broken: ${reason}` : `refused: ${reason}`, "");
    },
  });
  const place: Place = { lane, isOpen: false, onEnd: undefined };
  all.add(place);
  return place;
}

/** A problem's code says more than its status. */
function failureOf(status: number, body: string): string {
  const code = /"code": *"([A-Z_]+)"/.exec(body)?.[1];
  return code === undefined ? String(status) : `${status} ${code}`;
}
