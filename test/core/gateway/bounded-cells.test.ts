import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type BoundedCells, createBoundedCells } from "../../../gateway/core/bounded-cells.ts";

interface Counter {
  count: number;
}
const counters = (max: number): BoundedCells<Counter> =>
  createBoundedCells<Counter>(max, {
    create: () => ({ count: 0 }),
    fold: (into, from) => {
      into.count += from.count;
    },
  });
const use = (cells: BoundedCells<Counter>, name: string, times = 1): void => {
  for (let time = 0; time < times; time += 1) cells.cellOf("demo", name).count += 1;
};
const total = (cells: BoundedCells<Counter>): number =>
  [...cells.named()].reduce((sum, { cell }) => sum + cell.count, cells.rest.count);
const names = (cells: BoundedCells<Counter>): string[] =>
  [...cells.named()].map(({ functionName }) => functionName).toSorted();

describe("cells for the functions most in use", () => {
  test("whoever comes first has a cell of its own, until all are given", () => {
    const cells = counters(2);
    for (const name of ["a", "b", "c"]) use(cells, name);
    assert.deepEqual(names(cells), ["a", "b"]);
    assert.equal(cells.rest.count, 1);
  });

  test("whoever is used much more takes the place of the least used; its counts go to the rest", () => {
    const cells = counters(2);
    use(cells, "a", 10);
    use(cells, "b", 3);
    use(cells, "c", 6);
    cells.review();
    assert.deepEqual(names(cells), ["a", "c"]);
    assert.equal(cells.rest.count, 9, "three of b, and six of c before it had its cell");
    use(cells, "c");
    assert.equal(cells.cellOf("demo", "c").count, 1);
  });

  test("equals do not take turns", () => {
    const cells = counters(1);
    use(cells, "a", 10);
    use(cells, "b", 19);
    cells.review();
    assert.deepEqual(names(cells), ["a"]);
  });

  test("what was used long ago counts little", () => {
    const cells = counters(1);
    use(cells, "a", 1_000);
    for (let interval = 0; interval < 10; interval += 1) {
      use(cells, "b", 5);
      cells.review();
    }
    assert.deepEqual(names(cells), ["b"]);
  });

  test("the same name of two tenants is two functions", () => {
    const cells = counters(2);
    cells.cellOf("demo", "a").count += 1;
    cells.cellOf("other", "a").count += 2;
    assert.deepEqual(
      [...cells.named()].map(({ tenant, cell }) => [tenant, cell.count]),
      [
        ["demo", 1],
        ["other", 2],
      ],
    );
  });

  test("a function among a flood of others called once each is named at the next review", () => {
    const cells = counters(1_000);
    for (let other = 0; other < 20_000; other += 1) {
      use(cells, `flood-${other}`);
      if (other % 100 === 0) use(cells, "busy");
    }
    cells.review();
    assert.ok(names(cells).includes("busy"));
    assert.equal(names(cells).length, 1_000);
  });

  test("whatever is called, there are never more names than places, and nothing counted is lost", () => {
    const step = fc.oneof(
      { arbitrary: fc.integer({ min: 0, max: 30 }), weight: 9 },
      { arbitrary: fc.constant("review" as const), weight: 1 },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(step, { maxLength: 300 }),
        (max, steps) => {
          const cells = counters(max);
          let counted = 0;
          for (const one of steps) {
            if (one === "review") cells.review();
            else {
              use(cells, `f${one}`);
              counted += 1;
            }
            assert.ok(names(cells).length <= max);
            assert.equal(total(cells), counted);
          }
        },
      ),
    );
  });
});
