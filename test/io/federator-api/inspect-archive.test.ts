import assert from "node:assert/strict";
import { test } from "node:test";
import { MeridianError } from "#lib/errors.ts";
import { inspectArchive } from "../../../federator/io/code/inspect-archive.ts";
import { type HandmadeEntry, zipOf } from "./archives.ts";

const inspect = (bytes: Buffer): Promise<readonly string[]> =>
  inspectArchive(bytes, AbortSignal.timeout(60_000));

const good = { name: "index.js", content: "exports.handler = () => 1;" };
const megabytes = (count: number) => Buffer.alloc(count * 1024 * 1024);

interface Attack {
  readonly name: string;
  readonly entries: readonly HandmadeEntry[];
  readonly told: RegExp;
}
const attacks: readonly Attack[] = [
  {
    name: "a path that climbs out",
    entries: [{ ...good, name: "../../x.js" }],
    told: /"\.\.\/\.\.\/x\.js".*climbs/,
  },
  {
    name: "a path that climbs out in the middle",
    entries: [{ ...good, name: "a/../../x" }],
    told: /climbs/,
  },
  { name: "an absolute path", entries: [{ ...good, name: "/etc/passwd" }], told: /absolute/ },
  { name: "a path with a drive", entries: [{ ...good, name: "C:/x" }], told: /absolute/ },
  { name: "a backslash", entries: [{ ...good, name: "a\\..\\b" }], told: /backslash/ },
  { name: "a NUL in a name", entries: [{ ...good, name: "a\0.js" }], told: /NUL/ },
  { name: "the same path twice", entries: [good, good], told: /"index\.js": it is there twice/ },
  {
    name: "the same path in two spellings",
    entries: [good, { ...good, name: "./index.js" }],
    told: /twice/,
  },
  {
    name: "a file where a folder must be",
    entries: [
      { ...good, name: "a" },
      { ...good, name: "a/b" },
    ],
    told: /is a file/,
  },
  {
    name: "a symbolic link",
    entries: [{ name: "link", content: "/etc/passwd", unixMode: 0o120_777 }],
    told: /"link".*link or a device/,
  },
  {
    name: "a file name no file system takes",
    entries: [{ ...good, name: `a/${"é".repeat(128)}` }],
    told: /more than 255 bytes/,
  },
  {
    name: "a path no file system takes",
    entries: [{ ...good, name: `${"long/".repeat(205)}x` }],
    told: /more than 1024 bytes/,
  },
  { name: "a device", entries: [{ ...good, unixMode: 0o020_666 }], told: /link or a device/ },
  { name: "an encrypted entry", entries: [{ ...good, flags: 0x801 }], told: /encrypted/ },
  {
    name: "another compression",
    entries: [{ ...good, method: 99 }],
    told: /compression method 99/,
  },
  {
    name: "two names for one entry",
    entries: [{ ...good, localName: "other.js" }],
    told: /"other\.js".*disagree/,
  },
  {
    name: "a bomb",
    entries: [{ name: "zeros", content: megabytes(20) }],
    told: /100 times its size/,
  },
  {
    name: "a bomb that claims to be small",
    entries: [{ name: "zeros", content: megabytes(20), claimedBytes: 10 }],
    told: /more bytes than the directory says/,
  },
  {
    name: "an entry that claims to be larger than it is",
    entries: [{ ...good, claimedBytes: 1_000 }],
    told: /fewer bytes/,
  },
  {
    name: "more than a function may unpack to",
    entries: ["a", "b"].map((name) => ({ ...good, name, claimedBytes: 200 * 1024 * 1024 })),
    told: /more than 262144000 bytes/,
  },
  {
    name: "a path of the deepest kind",
    entries: [{ ...good, name: "a/".repeat(512) }],
    told: /a folder with content|more than 1024 bytes/,
  },
  { name: "an empty name", entries: [{ ...good, name: "" }], told: /no name/ },
  { name: "a wrong checksum", entries: [{ ...good, checksum: 1 }], told: /checksum/ },
];

for (const { name, entries, told } of attacks)
  test(`an archive with ${name} is refused, and the rule is named`, async () => {
    await assert.rejects(inspect(zipOf(entries)), (error: unknown) => {
      assert.ok(error instanceof MeridianError, String(error));
      assert.equal(error.code, "MERIDIAN_CODE_INVALID");
      assert.match(error.message, told);
      return true;
    });
  });

test("overlapping entries with different names are refused before anything is unpacked", async () => {
  // The second entry's data lies inside the first's, as in bombs that quote their own headers.
  const inner = zipOf([{ name: "b", content: "x", method: 0 }]).subarray(0, 32);
  const outer = zipOf([
    { name: "a", content: inner, method: 0 },
    { name: "b", content: "x", method: 0, sharesBytesOf: 0 },
  ]);
  // Points the directory's second entry 31 bytes in, where the quoted header begins.
  const secondOffset = outer.length - 22 - 47 + 42;
  outer.writeUInt32LE(31, secondOffset);
  await assert.rejects(inspect(outer), /"b": it overlaps another entry/);
});

test("what is no archive, or only the first part of one, is refused", async () => {
  const whole = zipOf([good, { name: "lib/a.js", content: megabytes(1) }]);
  for (const bytes of [Buffer.from(""), Buffer.from("hello"), whole.subarray(0, whole.length - 30)])
    await assert.rejects(inspect(bytes), { code: "MERIDIAN_CODE_INVALID" });
});

test("an archive that claims more entries than it has is refused", async () => {
  for (const count of [2, 60_000, 65_535]) {
    const bytes = zipOf([good]);
    bytes.writeUInt16LE(count, bytes.length - 14);
    bytes.writeUInt16LE(count, bytes.length - 12);
    await assert.rejects(inspect(bytes), { code: "MERIDIAN_CODE_INVALID" }, String(count));
  }
});

test("whatever byte of an archive is cut off or changed, it is read whole or refused, and nothing else happens", async () => {
  const whole = zipOf([good, { name: "lib/a.js", content: "1".repeat(100) }]);
  const outcome = async (bytes: Buffer): Promise<"read" | "refused"> => {
    try {
      const files = await inspect(bytes);
      assert.ok(files.every((file) => !file.startsWith("/") && !file.split("/").includes("..")));
      return "read";
    } catch (error) {
      assert.ok(error instanceof MeridianError, String(error));
      assert.equal(error.code, "MERIDIAN_CODE_INVALID");
      return "refused";
    }
  };
  assert.equal(await outcome(whole), "read");
  for (let length = 0; length < whole.length; length += 1)
    assert.equal(await outcome(whole.subarray(0, length)), "refused", `${length} bytes`);
  for (let at = 0; at < whole.length; at += 1)
    for (const value of [0, 1, 46, 47, 127, 255]) {
      const changed = Buffer.from(whole);
      changed[at] = value;
      await outcome(changed);
    }
});

test("too many entries are refused by the directory's own count", async () => {
  const entries = Array.from({ length: 20_001 }, (_, index) => ({
    name: `f${index}`,
    content: "",
    method: 0 as const,
  }));
  await assert.rejects(inspect(zipOf(entries)), /20001 entries/);
});

test("an ordinary archive gives its files, without folders and in plain paths", async () => {
  const files = await inspect(
    zipOf([
      { name: "node_modules/", content: "", method: 0, unixMode: 0o040_755 },
      { name: "node_modules/a/index.js", content: "1" },
      { name: "./index.mjs", content: "export const handler = 1;" },
      { name: "empty", content: "", method: 0 },
      { name: "zeros", content: megabytes(2) },
    ]),
  );
  assert.deepEqual(files, ["node_modules/a/index.js", "index.mjs", "empty", "zeros"]);
});
