/** What the first bytes of a file say of how a machine with Linux would run it. */
export type Executable =
  | { readonly kind: "script"; readonly interpreter: string }
  | { readonly kind: "program"; readonly architecture: string }
  /** Nothing that Linux runs; the sentence says what it is, and what to do. */
  | { readonly kind: "foreign"; readonly reason: string };

/** So much of the file is looked at: a script's first line, and an ELF file's head. */
export const EXECUTABLE_HEAD_BYTES = 256;

/** `e_machine` of the ELF head, by the names that Node gives architectures. */
const MACHINES = new Map([
  [0x03, "ia32"],
  [0x28, "arm"],
  [0x3e, "x64"],
  [0xb7, "arm64"],
  [0xf3, "riscv64"],
]);
const MACHINE_AT = 18;

/** The first four bytes of Mach-O files, of either byte order, and of universal ones. */
const MACH_O = new Set([0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe, 0xcafebabe]);

export function judgeExecutable(head: Buffer): Executable {
  if (head.length === 0) return foreign("is empty");
  if (head.subarray(0, 2).equals(Buffer.from("#!"))) return judgeScript(head);
  if (head.length > MACHINE_AT + 1 && head.readUInt32BE(0) === 0x7f454c46) {
    const isLittleEndian = head[5] === 1;
    const machine = isLittleEndian ? head.readUInt16LE(MACHINE_AT) : head.readUInt16BE(MACHINE_AT);
    return { kind: "program", architecture: MACHINES.get(machine) ?? `machine ${machine}` };
  }
  const forLinux = "build it for Linux (in Go: GOOS=linux go build)";
  if (head.length >= 4 && MACH_O.has(head.readUInt32BE(0)))
    return foreign(`is a program for macOS; ${forLinux}`);
  if (head.subarray(0, 2).equals(Buffer.from("MZ")))
    return foreign(`is a program for Windows; ${forLinux}`);
  return foreign(
    "is neither a Linux program nor a script: a script begins with #! and the path of its interpreter",
  );
}

function judgeScript(head: Buffer): Executable {
  const [line = ""] = head.toString("latin1").split("\n", 1);
  if (line.endsWith("\r"))
    return foreign(
      "is a script with the line ends of Windows, which Linux does not run; save it with LF",
    );
  const [interpreter = ""] = line.slice(2).trim().split(/[ \t]/, 1);
  if (interpreter === "") return foreign("names no interpreter after its #!");
  return { kind: "script", interpreter };
}

const foreign = (reason: string): Executable => ({ kind: "foreign", reason });
