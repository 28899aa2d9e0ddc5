import assert from "node:assert/strict";
import { test } from "node:test";
import { assembleFilter } from "../../../../agents/core/sandbox/assemble-filter.ts";

const X64 = 0xc000_003e;
const ARM64 = 0xc000_00b7;
const ALLOWED = "allowed";
const EPERM = "fails with 1";
const ENOSYS = "fails with 38";
const KILLED = "ends the process";

/** The kernel's rules for a filter, https://docs.kernel.org/userspace-api/seccomp_filter.html, for the few words it uses. */
function judge(filter: Uint8Array, call: { architecture: number; number: number; first?: number }) {
  const program = new DataView(filter.buffer);
  const seen = new DataView(new ArrayBuffer(64));
  seen.setUint32(0, call.number, true);
  seen.setUint32(4, call.architecture, true);
  seen.setUint32(16, call.first ?? 0, true);
  let loaded = 0;
  for (let at = 0; at < filter.length; at += 8) {
    const [code, value] = [program.getUint16(at, true), program.getUint32(at + 4, true)];
    const jump = (isTrue: boolean) => program.getUint8(at + (isTrue ? 2 : 3)) * 8;
    if (code === 0x20) loaded = seen.getUint32(value, true);
    else if (code === 0x15) at += jump(loaded === value);
    else if (code === 0x35) at += jump(loaded >= value);
    else if (code === 0x45) at += jump((loaded & value) !== 0);
    else if (value === 0x7fff_0000) return ALLOWED;
    else if (value === 0x8000_0000) return KILLED;
    else return `fails with ${value & 0xffff}`;
  }
  return assert.fail("it ends without an outcome");
}

const CASES: readonly (readonly [string, number, number, number | undefined, string])[] = [
  ["read", X64, 0, undefined, ALLOWED],
  ["execve", X64, 59, undefined, ALLOWED],
  ["epoll_pwait2", X64, 441, undefined, ALLOWED],
  ["the last call of the list, ustat", X64, 136, undefined, EPERM],
  ["mount", X64, 165, undefined, EPERM],
  ["ptrace", X64, 101, undefined, EPERM],
  ["bpf", X64, 321, undefined, EPERM],
  ["unshare", X64, 272, undefined, EPERM],
  ["io_uring_setup", X64, 425, undefined, EPERM],
  ["clone3, whose flags nobody can read here", X64, 435, undefined, ENOSYS],
  ["clone of a thread", X64, 56, 0x3d_0f00, ALLOWED],
  ["clone into a new user namespace", X64, 56, 0x1000_0011, EPERM],
  ["clone into a new network", X64, 56, 0x4000_0011, EPERM],
  ["a socket of IPv4", X64, 41, 2, ALLOWED],
  ["a socket of unix", X64, 41, 1, ALLOWED],
  ["a socket of the machine below", X64, 41, 40, EPERM],
  ["a packet socket", X64, 41, 17, EPERM],
  ["a call of x32", X64, 0x4000_0000, undefined, ENOSYS],
  ["a call of another architecture", ARM64, 0, undefined, KILLED],
];

for (const [name, architecture, number, first, outcome] of CASES)
  test(`on x64, ${name}: ${outcome}`, () => {
    const call = { architecture, number, ...(first === undefined ? {} : { first }) };
    assert.equal(judge(assembleFilter("x64"), call), outcome);
  });

test("on arm64 the same calls have their own numbers", () => {
  const filter = assembleFilter("arm64");
  const outcomes = [63, 40, 117, 97, 220].map((number) =>
    judge(filter, { architecture: ARM64, number }),
  );
  assert.deepEqual(outcomes, [ALLOWED, EPERM, EPERM, EPERM, ALLOWED]);
  assert.equal(judge(filter, { architecture: X64, number: 63 }), KILLED);
});

test("every jump lands within the program", () => {
  // A distance has 8 bits: a longer list would silently allow what is at its beginning.
  assert.ok(assembleFilter("x64").length / 8 < 255);
});
