import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ZONES, parseZones } from "../../../cli/up/core/parse-zones.ts";

test("the default is the three known zones, each a region of its own with one cluster", () => {
  const parsed = parseZones(DEFAULT_ZONES);
  assert.equal(parsed.kind, "zones");
  assert.deepEqual(parsed.kind === "zones" && parsed.zones[0], {
    name: "eu-west",
    region: "eu-west",
    clusterId: "eu-west-1",
    jurisdiction: "eu",
    latitudeDegrees: 53.3,
    longitudeDegrees: -6.3,
  });
  assert.deepEqual(parsed.kind === "zones" && parsed.zones.map(({ name }) => name), [
    "eu-west",
    "us-east",
    "ap-south",
  ]);
});

const taken: readonly { text: string; names: readonly string[]; why: string }[] = [
  { text: "us-east", names: ["us-east"], why: "one zone will do" },
  {
    text: " eu-west , us-east ,",
    names: ["eu-west", "us-east"],
    why: "blanks and a last comma are nothing",
  },
  { text: "tokyo=35.7:139.7:jp", names: ["tokyo"], why: "a location makes any name a zone" },
  { text: "south=-90:-180:aq", names: ["south"], why: "the ends of the earth are on it" },
  {
    text: "eu-west=50:8:de,us-east",
    names: ["eu-west", "us-east"],
    why: "a known zone may be moved",
  },
];
for (const { text, names, why } of taken)
  test(`--zones "${text}": ${why}`, () => {
    const parsed = parseZones(text);
    assert.deepEqual(parsed.kind === "zones" && parsed.zones.map(({ name }) => name), names);
  });

test("a given location wins over the known one", () => {
  const parsed = parseZones("eu-west=50:8.5:de");
  assert.ok(parsed.kind === "zones");
  assert.equal(parsed.zones[0]?.latitudeDegrees, 50);
  assert.equal(parsed.zones[0]?.longitudeDegrees, 8.5);
  assert.equal(parsed.zones[0]?.jurisdiction, "de");
});

test("a zone may draw callers from farther away, or leave more to others", () => {
  const parsed = parseZones("eu-west=50:8.5:de:25,us-east=38.9:-77.4:us:-10");
  assert.ok(parsed.kind === "zones");
  assert.deepEqual(
    parsed.zones.map(({ biasPercent }) => biasPercent),
    [25, -10],
  );
});

const refused: readonly { text: string; reason: RegExp }[] = [
  { text: "", reason: /at least one/ },
  { text: " , ", reason: /at least one/ },
  { text: "atlantis", reason: /"atlantis" has no known location.*atlantis=48\.1:11\.6:eu/ },
  { text: "eu-west,eu-west", reason: /"eu-west" is named twice/ },
  { text: "Tokyo=1:1:jp", reason: /"Tokyo=1:1:jp" is not a zone/ },
  { text: "x=91:0:eu", reason: /latitude "91"/ },
  { text: "x=0:181:eu", reason: /longitude "181"/ },
  { text: "x=a:0:eu", reason: /latitude "a"/ },
  { text: "x=1e1:0:eu", reason: /latitude "1e1"/ },
  { text: "x=:0:eu", reason: /latitude ""/ },
  { text: "x=0:0", reason: /jurisdiction/ },
  { text: "x=0:0:EU", reason: /"EU" is not a jurisdiction/ },
  { text: "x=0:0:eu:de", reason: /the bias "de" is not a whole number/ },
  { text: "x=0:0:eu:100", reason: /the bias "100"/ },
  { text: "x=0:0:eu:1:2", reason: /is not a jurisdiction/ },
  { text: "x=0:0:eu=1", reason: /is not a zone/ },
  { text: `${"a".repeat(61)}=0:0:eu`, reason: /is not a zone/ },
  { text: Array.from({ length: 17 }, (_, n) => `z${n}=0:0:eu`).join(","), reason: /at most 16/ },
];
for (const { text, reason } of refused)
  test(`--zones "${text.slice(0, 40)}" is refused with a sentence`, () => {
    const parsed = parseZones(text);
    assert.equal(parsed.kind, "refused");
    assert.match(parsed.kind === "refused" ? parsed.reason : "", reason);
  });
