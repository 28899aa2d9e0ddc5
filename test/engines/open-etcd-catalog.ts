import { randomUUID } from "node:crypto";
import type { TestContext } from "node:test";
import { type EtcdCatalogOptions, openEtcdCatalog } from "#lib/io/etcd/etcd-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import type { Catalog } from "#lib/ports/catalog.ts";

/** A catalog in a folder of its own, closed with the test. */
export async function openEtcd(
  t: Pick<TestContext, "after">,
  endpoints: readonly string[],
  options: Partial<EtcdCatalogOptions> = {},
): Promise<Catalog> {
  const catalog = await openEtcdCatalog({
    endpoints,
    keyPrefix: `test/${randomUUID()}/`,
    writerName: "test",
    clock: systemClock,
    random: systemRandom,
    ...options,
  });
  t.after(() => catalog.close());
  return catalog;
}
