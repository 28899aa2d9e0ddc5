/*
 * What is counted by function must stay small however many functions there are and whoever calls them: those most in use have cells of
 * their own, all others share one. Nothing that was counted is lost when a function gives its place to another.
 */

export interface BoundedCells<Cell> {
  /** The function's own cell, or the one of the rest; this call of it is counted as a use. */
  readonly cellOf: (tenant: string, functionName: string) => Cell;
  /** Of all functions that have no cell of their own. */
  readonly rest: Cell;
  readonly named: () => Iterable<NamedCell<Cell>>;
  /** Gives places to functions that are used more than those that have them. */
  readonly review: () => void;
}

export interface NamedCell<Cell> {
  readonly tenant: string;
  readonly functionName: string;
  readonly cell: Cell;
}

export interface CellShape<Cell> {
  readonly create: () => Cell;
  /** Adds what `from` has counted to `into`. */
  readonly fold: (into: Cell, from: Cell) => void;
}

/** Per place, so many functions without one are watched between two reviews: whoever is called much is soon among the first. */
const WATCHED_PER_PLACE = 4;
/** A newcomer must be used this much more than the one whose place it takes, so that equals do not take turns. */
const ADVANTAGE = 2;

interface Holder<Cell> extends NamedCell<Cell> {
  usesNow: number;
  /** Uses of past intervals, each counted half of the one after it. */
  usesBefore: number;
}

interface Watched {
  readonly tenant: string;
  readonly functionName: string;
  uses: number;
}

export function createBoundedCells<Cell>(
  namedMax: number,
  { create, fold }: CellShape<Cell>,
): BoundedCells<Cell> {
  const rest = create();
  const tenants = new Map<string, Map<string, Holder<Cell>>>();
  const watched = new Map<string, Watched>();
  let namedCount = 0;

  const give = (tenant: string, functionName: string, uses: number): Holder<Cell> => {
    const holder = { tenant, functionName, cell: create(), usesNow: 0, usesBefore: uses };
    const functions = tenants.get(tenant) ?? new Map<string, Holder<Cell>>();
    tenants.set(tenant, functions.set(functionName, holder));
    namedCount += 1;
    return holder;
  };
  const takeBack = ({ tenant, functionName, cell }: Holder<Cell>): void => {
    fold(rest, cell);
    const functions = tenants.get(tenant);
    functions?.delete(functionName);
    if (functions?.size === 0) tenants.delete(tenant);
    namedCount -= 1;
  };
  const watch = (tenant: string, functionName: string): void => {
    const key = `${tenant}/${functionName}`;
    const known = watched.get(key);
    if (known !== undefined) known.uses += 1;
    else if (watched.size < namedMax * WATCHED_PER_PLACE)
      watched.set(key, { tenant, functionName, uses: 1 });
  };
  const holders = (): Holder<Cell>[] =>
    [...tenants.values()].flatMap((functions) => [...functions.values()]);

  return {
    rest,
    cellOf: (tenant, functionName) => {
      const known = tenants.get(tenant)?.get(functionName);
      if (known === undefined && namedCount >= namedMax) {
        watch(tenant, functionName);
        return rest;
      }
      const holder = known ?? give(tenant, functionName, 0);
      holder.usesNow += 1;
      return holder.cell;
    },
    named: holders,
    review: () => {
      const leastUsedFirst = holders();
      for (const holder of leastUsedFirst) {
        holder.usesBefore = holder.usesBefore / 2 + holder.usesNow;
        holder.usesNow = 0;
      }
      leastUsedFirst.sort((one, other) => one.usesBefore - other.usesBefore);
      const mostUsedFirst = [...watched.values()].toSorted((one, other) => other.uses - one.uses);
      watched.clear();
      for (const [index, { tenant, functionName, uses }] of mostUsedFirst.entries()) {
        const loser = leastUsedFirst[index];
        if (loser === undefined || uses < loser.usesBefore * ADVANTAGE) return;
        takeBack(loser);
        give(tenant, functionName, uses);
      }
    },
  };
}
