import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  enterTrace,
  isInShare,
  parseTraceParent,
  parseTraceState,
  traceParentOf,
} from "../../../gateway/core/trace-context.ts";
import { createTraceIds } from "../../../gateway/core/trace-ids.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const ZEROS = (count: number): string => "0".repeat(count);

describe("traceparent", () => {
  const taken: readonly (readonly [string, string, boolean])[] = [
    ["version 00, sampled", `00-${TRACE}-${SPAN}-01`, true],
    ["version 00, not sampled", `00-${TRACE}-${SPAN}-00`, false],
    ["flags of which nobody knows more than the first", `00-${TRACE}-${SPAN}-ff`, true],
    ["unknown flags without the first", `00-${TRACE}-${SPAN}-fe`, false],
    ["the flag of level 2 for random ids", `00-${TRACE}-${SPAN}-02`, false],
    ["a later version of the same form", `cc-${TRACE}-${SPAN}-01`, true],
    ["a later version that says more behind a dash", `cc-${TRACE}-${SPAN}-01-what-comes`, true],
    ["a later version with nothing behind the dash", `01-${TRACE}-${SPAN}-00-`, false],
    ["the last version there can be", `fe-${TRACE}-${SPAN}-01`, true],
  ];
  for (const [name, header, isSampled] of taken)
    test(`goes on: ${name}`, () =>
      assert.deepEqual(parseTraceParent(header), { traceId: TRACE, parentId: SPAN, isSampled }));

  const refused: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["the forbidden version", `ff-${TRACE}-${SPAN}-01`],
    ["version 00 that says more", `00-${TRACE}-${SPAN}-01-more`],
    ["version 00 with a dash at its end", `00-${TRACE}-${SPAN}-01-`],
    ["a later version that goes on without a dash", `cc-${TRACE}-${SPAN}-01.more`],
    ["a later version cut short", `cc-${TRACE}-${SPAN}`],
    ["a version in upper case", `0A-${TRACE}-${SPAN}-01`],
    ["a version that is no number", `.0-${TRACE}-${SPAN}-01`],
    ["a version of one digit", `0-${TRACE}-${SPAN}-01`],
    ["a version of three digits", `000-${TRACE}-${SPAN}-01`],
    ["a trace id of zeros", `00-${ZEROS(32)}-${SPAN}-01`],
    ["a trace id in upper case", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ["a trace id with a letter beyond f", `00-g${TRACE.slice(1)}-${SPAN}-01`],
    ["a trace id that is short", `00-${TRACE.slice(1)}-${SPAN}-01`],
    ["a trace id that is long", `00-0${TRACE}-${SPAN}-01`],
    ["a parent of zeros", `00-${TRACE}-${ZEROS(16)}-01`],
    ["a parent in upper case", `00-${TRACE}-${SPAN.toUpperCase()}-01`],
    ["a parent with a dot in it", `00-${TRACE}-.${SPAN.slice(1)}-01`],
    ["a parent that is short", `00-${TRACE}-${SPAN.slice(1)}-01`],
    ["a parent that is long", `00-${TRACE}-0${SPAN}-01`],
    ["no flags", `00-${TRACE}-${SPAN}-`],
    ["flags of one digit", `00-${TRACE}-${SPAN}-1`],
    ["flags of three digits", `00-${TRACE}-${SPAN}-001`],
    ["flags in upper case", `00-${TRACE}-${SPAN}-0A`],
    ["flags that are no number", `00-${TRACE}-${SPAN}-.0`],
    ["underscores for dashes", `00_${TRACE}_${SPAN}_01`],
    ["a blank before it, which HTTP would have taken off", ` 00-${TRACE}-${SPAN}-01`],
    ["a line end behind it", `00-${TRACE}-${SPAN}-01\n`],
    ["two headers, as HTTP joins them", `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
    ["two headers of a later version", `cc-${TRACE}-${SPAN}-01-x, cc-${TRACE}-${SPAN}-01-y`],
    ["something quite else", "Root=1-67891233-abcdef012345678912345678"],
  ];
  for (const [name, header] of refused)
    test(`begins anew: ${name}`, () => assert.equal(parseTraceParent(header), undefined));

  test("whatever is taken names ids that everybody takes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 80 }), (header) => {
        const parent = parseTraceParent(header);
        if (parent === undefined) return;
        assert.deepEqual(parseTraceParent(`00-${parent.traceId}-${parent.parentId}-01`), {
          ...parent,
          isSampled: true,
        });
      }),
    );
  });
});

describe("tracestate", () => {
  const many = (count: number): string =>
    Array.from({ length: count }, (_, index) => `k${index}=v`).join(",");
  const cases: readonly (readonly [string, string, string])[] = [
    ["nothing", "", ""],
    ["one member", "rojo=00f067aa0ba902b7", "rojo=00f067aa0ba902b7"],
    ["two members keep their order", "b=2,a=1", "b=2,a=1"],
    ["blanks and tabs between members", "a=1 \t, \tb=2", "a=1,b=2"],
    ["empty members", ",a=1,,b=2, ,", "a=1,b=2"],
    ["a blank within a value", "a=1 2", "a=1 2"],
    ["a blank before a value", "a= 1", "a= 1"],
    ["every other sign in a key", "a_-*/9=1", "a_-*/9=1"],
    ["a tenant and its system", "9a@sys-tem=1", "9a@sys-tem=1"],
    ["the same key twice, which is the senders' business", "a=1,a=2", "a=1,a=2"],
    ["32 members", many(32), many(32)],
    ["33 members", many(33), ""],
    ["a key in upper case", "A=1", ""],
    ["a key that begins with a digit and has no system", "9a=1", ""],
    ["a key with a blank", "a b=1", ""],
    ["a key with a dot", "a.b=1", ""],
    ["no key", "=1", ""],
    ["no equals sign", "a", ""],
    ["no value", "a=", ""],
    ["an equals sign within a value", "a=1=2", ""],
    ["a value that is not ASCII", "a=\u00e4", ""],
    ["a control character in a value", "a=1\u0000", ""],
    ["two systems", "a@b@c=1", ""],
    ["no tenant", "@b=1", ""],
    ["no system", "a@=1", ""],
    ["a key of 256 characters", `${"a".repeat(256)}=1`, `${"a".repeat(256)}=1`],
    ["a key of 257 characters", `${"a".repeat(257)}=1`, ""],
    ["a tenant of 241 and a system of 14", keyOf(241, 14), keyOf(241, 14)],
    ["a tenant of 242", keyOf(242, 14), ""],
    ["a system of 15", keyOf(241, 15), ""],
    ["a value of 256 characters", `a=${"v".repeat(256)}`, `a=${"v".repeat(256)}`],
    ["a value of 257 characters", `a=${"v".repeat(257)}`, ""],
    ["one bad member spoils all", "a=1,B=2", ""],
    [
      "beyond 512 characters the last of the long members goes first",
      `a=1,${long("l")},${long("m")},b=1`,
      `a=1,${long("l")},b=1`,
    ],
  ];
  for (const [name, header, expected] of cases)
    test(name, () => assert.equal(parseTraceState(header), expected));

  test("beyond 512 characters short members go from the end", () => {
    const members = Array.from({ length: 10 }, (_, index) => `k${index}=${"v".repeat(97)}`);
    assert.equal(parseTraceState(members.join(",")), members.slice(0, 5).join(","));
  });

  test("what goes on is taken as it is, and never longer than 512 characters", () => {
    const member = fc.tuple(fc.stringMatching(/^[a-z]{1,9}$/), fc.stringMatching(/^[!-+]{1,250}$/));
    fc.assert(
      fc.property(fc.array(member, { maxLength: 32 }), (members) => {
        const state = parseTraceState(members.map(([key, value]) => `${key}=${value}`).join(", "));
        assert.ok(state.length <= 512);
        assert.equal(parseTraceState(state), state);
      }),
    );
  });
});

describe("a call's trace", () => {
  const ids = createTraceIds(() => `${"ab".repeat(16)}${"cd".repeat(16)}`);
  const samplesAll = (): boolean => true;

  test("goes on with a span of the gateway's own, and the caller's word on sampling", () => {
    const trace = enterTrace(`00-${TRACE}-${SPAN}-00`, "a=1", ids, samplesAll);
    assert.equal(trace.traceId, TRACE);
    assert.equal(trace.parentId, SPAN);
    assert.notEqual(trace.spanId, SPAN);
    assert.equal(traceParentOf(trace), `00-${TRACE}-${trace.spanId}-00`);
    assert.equal(trace.traceState, "a=1");
  });

  test("of a later version goes on as version 00", () => {
    const trace = enterTrace(`cc-${TRACE}-${SPAN}-ff-more`, undefined, ids, samplesAll);
    assert.equal(traceParentOf(trace), `00-${TRACE}-${trace.spanId}-01`);
  });

  test("begins anew without the state of one that could not be read", () => {
    for (const traceParent of [undefined, `ff-${TRACE}-${SPAN}-01`]) {
      const trace = enterTrace(traceParent, "a=1", ids, () => false);
      assert.notEqual(trace.traceId, TRACE);
      assert.equal(trace.parentId, undefined);
      assert.equal(trace.traceState, "");
      assert.equal(trace.isSampled, false);
    }
  });
});

describe("ids", () => {
  test("are cut one behind the other, and digits are asked for only when they are used up", () => {
    let asked = 0;
    const ids = createTraceIds(() => {
      asked += 1;
      return String(asked).repeat(64);
    });
    assert.equal(ids.traceId(), "1".repeat(32));
    assert.equal(ids.spanId(), "1".repeat(16));
    assert.equal(ids.spanId(), "1".repeat(16));
    assert.equal(asked, 1);
    assert.equal(ids.spanId(), "2".repeat(16));
  });

  test("are never all zeros", () => {
    const blocks = ["0".repeat(48), "7".repeat(48)];
    const ids = createTraceIds(() => blocks.shift() ?? "");
    assert.equal(ids.spanId(), "7".repeat(16));
  });
});

describe("sampling by the trace's id", () => {
  test("all and none", () => {
    assert.equal(isInShare("f".repeat(32), 1), true);
    assert.equal(isInShare("0".repeat(32), 0), false);
  });

  test("takes its share of ids, and whoever takes more takes these too", () => {
    const ids = Array.from({ length: 1_000 }, (_, index) =>
      Math.ceil((index * 2 ** 32) / 1_000)
        .toString(16)
        .padStart(32, "0"),
    );
    const tenth = ids.filter((id) => isInShare(id, 0.1));
    assert.equal(tenth.length, 100);
    assert.ok(tenth.every((id) => isInShare(id, 0.2)));
  });
});

function keyOf(tenant: number, system: number): string {
  return `${"t".repeat(tenant)}@${"s".repeat(system)}=1`;
}

function long(name: string): string {
  return `${name}=${"v".repeat(250)}`;
}
