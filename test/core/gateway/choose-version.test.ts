import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { FunctionRoute, RouteSplit } from "#lib/contracts/route-table.ts";
import { chooseVersion, sharesOf } from "../../../gateway/core/choose-version.ts";
import { routeTo } from "./routes.ts";

const ROLLOUT = { rolloutId: "ro-12345678", step: "0.1" };

const draw = (route: FunctionRoute, zone: string, percent: number) =>
  chooseVersion(route, "live", zone, { next: () => percent / 100 });

test("without a split nothing is drawn, and an alias that is not there leads nowhere", () => {
  const route = routeTo(1);
  const noDraw = {
    next: () => assert.fail("nothing is left to chance"),
  };
  assert.deepEqual(chooseVersion(route, "live", "eu-west", noDraw), {
    version: 1,
    mark: undefined,
  });
  assert.equal(chooseVersion(route, "beta", "eu-west", noDraw), undefined);
});

test("weights divide the draws, and the alias' own version takes what is left", () => {
  const route = routeTo(1, { version: 2, percent: 10 }, { version: 3, percent: 30 });
  const drawn = [0, 9.9, 10, 39.9, 40, 99.9].map((at) => draw(route, "eu-west", at)?.version);
  assert.deepEqual(drawn, [2, 2, 3, 3, 1, 1]);
  assert.deepEqual(
    sharesOf(route, "live", "eu-west").map(({ version, percent }) => [version, percent]),
    [
      [1, 60],
      [2, 10],
      [3, 30],
    ],
  );
});

const rollouts = [
  { zone: "eu-west", percent: 100, at: 50, version: 2, arm: "canary" },
  { zone: "us-east", percent: 5, at: 4.9, version: 2, arm: "canary" },
  { zone: "us-east", percent: 5, at: 5, version: 1, arm: "control" },
  { zone: "us-east", percent: 5, at: 9.9, version: 1, arm: "control" },
  { zone: "us-east", percent: 5, at: 10, version: 1, arm: undefined },
  { zone: "us-east", percent: 80, at: 79, version: 2, arm: "canary" },
  { zone: "us-east", percent: 80, at: 99, version: 1, arm: "control" },
  { zone: "ap-south", percent: 0, at: 0, version: 1, arm: undefined },
];
for (const { zone, percent, at, version, arm } of rollouts)
  test(`a draw of ${at} where the new version has ${percent} % is ${arm ?? "not counted"}, version ${version}`, () => {
    const zonePercent = { [zone]: percent };
    const route = routeTo(1, { version: 2, percent: 0, zonePercent, ...ROLLOUT });
    const choice = draw(route, zone, at);
    assert.equal(choice?.version, version);
    assert.equal(choice?.mark?.arm, arm);
  });

test("a split whose version the table lacks takes no calls", () => {
  const route = routeTo(1, { version: 9, percent: 50 });
  assert.equal(draw({ ...route, versions: route.versions.slice(0, 1) }, "eu-west", 0)?.version, 1);
});

test("of every draw comes a version of the entry, and canary and control are equally likely up to 50 %", () => {
  const split = fc.record({ percent: fc.integer({ min: 1, max: 50 }) });
  fc.assert(
    fc.property(split, ({ percent }) => {
      const only: RouteSplit = { version: 2, percent, ...ROLLOUT };
      const route = routeTo(1, only);
      const arms = Array.from({ length: 200 }, (_, at) => draw(route, "eu-west", (at + 0.5) / 2));
      const count = (arm: string) => arms.filter((choice) => choice?.mark?.arm === arm).length;
      assert.equal(count("canary"), percent * 2);
      assert.equal(count("control"), percent * 2);
    }),
  );
});
