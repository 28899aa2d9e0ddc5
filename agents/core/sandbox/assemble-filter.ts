import { type FilterArchitecture, JUDGED_CALLS, refusedCalls } from "./refused-calls.ts";

/*
 * Classic BPF, as seccomp(2) runs it on each system call; the words are those of linux/bpf_common.h, linux/seccomp.h and
 * linux/audit.h. The kernel notes which calls are allowed whatever their arguments, and runs nothing for those.
 */
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_AT_LEAST = 0x35;
const JUMP_IF_ANY_BIT = 0x45;
const RETURN = 0x06;

const OFFSET_OF_NUMBER = 0;
const OFFSET_OF_ARCHITECTURE = 4;
/** The low half of it, on the little-endian machines we have. */
const OFFSET_OF_FIRST_ARGUMENT = 16;

const ALLOW = 0x7fff_0000;
const KILL_PROCESS = 0x8000_0000;
const FAIL = 0x0005_0000;
const EPERM = 1;
const ENOSYS = 38;

const AUDIT_ARCHITECTURE: Readonly<Record<FilterArchitecture, number>> = {
  x64: 0xc000_003e,
  arm64: 0xc000_00b7,
};
/** Calls of x32, a second table on x64 that a list of the first one's numbers says nothing of. */
const X32_BIT = 0x4000_0000;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const NEW_NAMESPACES = 0x7e02_0000;
/** AF_PACKET, AF_ALG and AF_VSOCK: the wire itself, the kernel's ciphers, and the machine under this one. */
const REFUSED_FAMILIES: readonly number[] = [17, 38, 40];

type Target = "next" | "allow" | "kill" | "refuse" | "unknown" | "clone" | "socket";

type Step =
  | { readonly kind: "load"; readonly offset: number }
  | {
      readonly kind: "jump";
      readonly code: number;
      readonly value: number;
      readonly yes: Target;
      readonly no: Target;
    }
  | { readonly kind: "return"; readonly value: number }
  | { readonly kind: "label"; readonly name: Exclude<Target, "next"> };

/** The filter as `bwrap --seccomp` reads it: 8 bytes for each instruction. */
export function assembleFilter(architecture: FilterArchitecture): Uint8Array {
  const steps = describeFilter(architecture);
  const places = new Map<Target, number>();
  let length = 0;
  for (const step of steps)
    if (step.kind === "label") places.set(step.name, length);
    else length += 1;

  const program = new DataView(new ArrayBuffer(length * 8));
  let at = 0;
  const distance = (target: Target): number =>
    target === "next" ? 0 : (places.get(target) ?? 0) - at - 1;
  for (const step of steps) {
    if (step.kind === "label") continue;
    const [code, yes, no, value] = encode(step, distance);
    program.setUint16(at * 8, code, true);
    program.setUint8(at * 8 + 2, yes);
    program.setUint8(at * 8 + 3, no);
    program.setUint32(at * 8 + 4, value, true);
    at += 1;
  }
  return new Uint8Array(program.buffer);
}

function encode(
  step: Exclude<Step, { kind: "label" }>,
  distance: (target: Target) => number,
): readonly [code: number, yes: number, no: number, value: number] {
  switch (step.kind) {
    case "load":
      return [LOAD_WORD, 0, 0, step.offset];
    case "jump":
      return [step.code, distance(step.yes), distance(step.no), step.value];
    case "return":
      return [RETURN, 0, 0, step.value];
  }
}

function describeFilter(architecture: FilterArchitecture): readonly Step[] {
  const { clone, clone3, socket } = JUDGED_CALLS[architecture];
  return [
    { kind: "load", offset: OFFSET_OF_ARCHITECTURE },
    jump(JUMP_IF_EQUAL, AUDIT_ARCHITECTURE[architecture], "next", "kill"),
    { kind: "load", offset: OFFSET_OF_NUMBER },
    jump(JUMP_IF_AT_LEAST, X32_BIT, "unknown"),
    ...refusedCalls(architecture).map((call) => jump(JUMP_IF_EQUAL, call, "refuse")),
    // Its flags lie in memory, out of reach; told that there is none, C libraries use clone.
    jump(JUMP_IF_EQUAL, clone3, "unknown"),
    jump(JUMP_IF_EQUAL, clone, "clone"),
    jump(JUMP_IF_EQUAL, socket, "socket", "allow"),
    { kind: "label", name: "clone" },
    { kind: "load", offset: OFFSET_OF_FIRST_ARGUMENT },
    jump(JUMP_IF_ANY_BIT, NEW_NAMESPACES, "refuse", "allow"),
    { kind: "label", name: "socket" },
    { kind: "load", offset: OFFSET_OF_FIRST_ARGUMENT },
    ...REFUSED_FAMILIES.map((family) => jump(JUMP_IF_EQUAL, family, "refuse")),
    ...outcome("allow", ALLOW),
    ...outcome("refuse", FAIL | EPERM),
    ...outcome("unknown", FAIL | ENOSYS),
    ...outcome("kill", KILL_PROCESS),
  ];
}

const jump = (code: number, value: number, yes: Target, no: Target = "next"): Step => ({
  kind: "jump",
  code,
  value,
  yes,
  no,
});

const outcome = (name: Exclude<Target, "next">, value: number): readonly Step[] => [
  { kind: "label", name },
  { kind: "return", value },
];
