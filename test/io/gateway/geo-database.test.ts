import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { openGeoDatabase } from "../../../gateway/io/geo-database.ts";
import { temporaryFolder } from "../cli/temporary-folder.ts";

const BUNDLED = fileURLToPath(
  import.meta.resolve("@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb"),
);
const silent = pino({ level: "silent" });
const METADATA = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");

test("the database that comes along knows countries of both families, and nothing of private addresses", async () => {
  const countryOf = await openGeoDatabase(undefined, silent);
  assert.equal(countryOf("8.8.8.8"), "US");
  assert.equal(countryOf("2001:4860:4860::8888"), "US");
  for (const nobodys of ["10.0.0.1", "192.168.1.1", "127.0.0.1", "100.64.0.1", "::1", "fd00::1"])
    assert.equal(countryOf(nobodys), undefined, nobodys);
});

/** What stands where the database should be. */
const unusable: readonly (readonly [name: string, change: (whole: Buffer) => Buffer])[] = [
  ["empty", () => Buffer.alloc(0)],
  ["of another type", () => Buffer.from("PK\x03\x04 this is a zip")],
  ["cut off before its end", (whole) => whole.subarray(0, whole.length / 2)],
  // The metadata is whole; the tree it tells of is not there.
  ["without its tree", (whole) => whole.subarray(whole.lastIndexOf(METADATA))],
  [
    "full of zeros up to its metadata",
    (whole) => Buffer.from(whole).fill(0, 0, whole.lastIndexOf(METADATA)),
  ],
];
for (const [name, change] of unusable)
  test(`with a database that is ${name} no address says where its caller is, and none throws`, async (context) => {
    const folder = await temporaryFolder(context, {});
    const path = join(folder, "countries.mmdb");
    await writeFile(path, change(await readFile(BUNDLED)));
    const countryOf = await openGeoDatabase(path, silent);
    for (const address of ["8.8.8.8", "2001:4860:4860::8888", "10.0.0.1"])
      assert.equal(countryOf(address), undefined);
  });

test("nor where there is no file", async () => {
  const countryOf = await openGeoDatabase("/no/such/file.mmdb", silent);
  assert.equal(countryOf("8.8.8.8"), undefined);
});
