import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import {
  CATALOG_PATHS,
  CompactRequest,
  GrantLeaseRequest,
  LeaseRequest,
  RangeRequest,
  TxnRequest,
  WatchRequest,
} from "#lib/contracts/catalog-wire.ts";
import { checkWatch } from "#lib/catalog/limits.ts";
import { MeridianError } from "#lib/errors.ts";
import type { CatalogOverStore } from "#lib/io/catalog-over-store.ts";
import type { CatalogMetrics } from "./catalog-metrics.ts";
import type { Follow } from "./send-lines.ts";

const WATCHERS_MAX = 1_000;

export type CatalogRoute =
  | { readonly kind: "answer"; readonly act: (body: unknown) => Promise<unknown> }
  | { readonly kind: "lines"; readonly follow: Follow };
export type CatalogRoutes = ReadonlyMap<string, CatalogRoute>;

/** What the catalog answers, by path. */
export function catalogRoutes(catalog: CatalogOverStore, metrics: CatalogMetrics): CatalogRoutes {
  return new Map<string, CatalogRoute>([
    [
      CATALOG_PATHS.txn,
      answer(TxnRequest, ({ operationId, ...transaction }) =>
        metrics.timeTxn(() => catalog.txn(transaction, undefined, operationId)),
      ),
    ],
    [CATALOG_PATHS.range, answer(RangeRequest, (query) => catalog.range(query))],
    [CATALOG_PATHS.watch, { kind: "lines", follow: followWatch(catalog, metrics) }],
    [
      CATALOG_PATHS.grantLease,
      answer(GrantLeaseRequest, async ({ ttlMs }) => ({
        leaseId: await catalog.grantLease(ttlMs),
      })),
    ],
    [
      CATALOG_PATHS.renewLease,
      answer(LeaseRequest, async ({ leaseId }) => ({ outcome: await catalog.renewLease(leaseId) })),
    ],
    [
      CATALOG_PATHS.revokeLease,
      answer(LeaseRequest, async ({ leaseId }) => {
        await catalog.revokeLease(leaseId);
        return {};
      }),
    ],
    [
      CATALOG_PATHS.compact,
      answer(CompactRequest, async ({ revision }) => {
        await catalog.compact(revision);
        return {};
      }),
    ],
  ]);
}

function answer<T extends TSchema>(
  schema: T,
  act: (body: Static<T>) => Promise<unknown>,
): CatalogRoute {
  const parse = parser(schema);
  return { kind: "answer", act: (body) => act(parse(body)) };
}

function followWatch(catalog: Pick<CatalogOverStore, "watch">, metrics: CatalogMetrics): Follow {
  const parse = parser(WatchRequest);
  let watchers = 0;
  return (body, signal) => {
    const query = parse(body);
    checkWatch(query);
    if (watchers >= WATCHERS_MAX)
      throw new MeridianError(
        "MERIDIAN_CATALOG_UNAVAILABLE",
        `The catalog already has ${WATCHERS_MAX} watchers; end one first.`,
      );
    watchers += 1;
    metrics.watchers.set(watchers);
    return counted(catalog.watch(query, signal), () => {
      watchers -= 1;
      metrics.watchers.set(watchers);
    });
  };
}

async function* counted<T>(events: AsyncIterable<T>, ended: () => void): AsyncGenerator<T, void> {
  try {
    yield* events;
  } finally {
    ended();
  }
}

function parser<T extends TSchema>(schema: T): (body: unknown) => Static<T> {
  const validator = Compile(schema);
  return (body) => {
    if (validator.Check(body)) return body;
    const [first] = validator.Errors(body);
    throw new MeridianError(
      "MERIDIAN_BAD_REQUEST",
      `The catalog refuses this: ${first?.instancePath ?? ""} ${first?.message ?? "is not valid"}.`,
    );
  };
}
