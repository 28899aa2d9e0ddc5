import type { CatalogRecord } from "#lib/ports/catalog.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Replica } from "../../ports.ts";

/** Records looked through between two pauses, so that other requests are answered meanwhile. */
const PAGE = 500;

/**
 * The records with the prefix whose text has the words in it, in order, for questions that are too rare for an index. What changes
 * meanwhile may or may not be seen.
 */
export async function* scanRecords(
  { replica, clock }: { readonly replica: Pick<Replica, "page">; readonly clock: Clock },
  prefix: string,
  words: string,
): AsyncGenerator<CatalogRecord, void, undefined> {
  for (let afterKey = ""; ;) {
    const page = replica.page(prefix, afterKey, PAGE);
    yield* page.filter(({ value }) => value.includes(words));
    const last = page.at(-1);
    if (page.length < PAGE || last === undefined) return;
    afterKey = last.key;
    await clock.sleep(0);
  }
}
