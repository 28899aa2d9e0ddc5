import { describe } from "node:test";
import { leaseCases } from "./catalog/leases.ts";
import { rangeCases } from "./catalog/ranges.ts";
import type { OpenCatalog } from "./catalog/support.ts";
import { transactionCases } from "./catalog/transactions.ts";
import { watchCases } from "./catalog/watches.ts";

/**
 * What every driver of the `Catalog` port promises. `open` gives an empty catalog and closes it with the test; the store behind it
 * may be shared with the catalogs of other cases. A reason to skip is that of a missing engine.
 */
export function catalogContract(
  name: string,
  open: OpenCatalog,
  skip: string | false = false,
): void {
  describe(name, { skip }, () => {
    describe("transactions", () => transactionCases(open));
    describe("ranges", () => rangeCases(open));
    describe("watches", () => watchCases(open));
    describe("leases", () => leaseCases(open));
  });
}
