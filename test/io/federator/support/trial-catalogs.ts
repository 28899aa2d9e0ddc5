import type { TestContext } from "node:test";
import type { Catalog } from "#lib/ports/catalog.ts";
import { openEtcd } from "../../../engines/open-etcd-catalog.ts";
import { startEtcdCluster } from "../../../engines/start-etcd-cluster.ts";
import { type FaultProxy, startFaultProxy } from "../../../support/fault-proxy.ts";
import { catalogProcess } from "../../catalog/support/catalog-process.ts";
import { BOOT_TOKEN } from "../../catalog/support/open-catalogs.ts";
import type { CandidatePlan } from "./candidate-plan.ts";

/** A real catalog, and wires of its own to it for each candidate. */
export interface TrialCatalog {
  /** The shortest lease that it keeps to. */
  readonly ttlMs: number;
  /** Past all wires, for the one who judges. */
  readonly direct: Catalog;
  readonly wire: () => Promise<Wire>;
  /** Steps the clock of the catalog's own process, where it can be stepped. */
  readonly stepClock: () => void;
}

export interface Wire {
  readonly proxies: readonly FaultProxy[];
  readonly plan: Pick<CandidatePlan, "catalog" | "catalogUrl" | "bootToken">;
}

const STEP_CLOCK = new URL("../../../support/step-clock-process.ts", import.meta.url).href;

export async function embeddedTrialCatalog(t: TestContext): Promise<TrialCatalog> {
  const catalog = await catalogProcess(t, ["--import", STEP_CLOCK]);
  await catalog.start();
  const { internal } = await catalog.endpoint();
  return {
    ttlMs: 600,
    direct: catalog.connect(),
    wire: async () => {
      const proxy = await startFaultProxy(t, internal);
      return {
        proxies: [proxy],
        plan: { catalog: { kind: "embedded" }, catalogUrl: proxy.url, bootToken: BOOT_TOKEN },
      };
    },
    stepClock: () => catalog.signal("SIGUSR2"),
  };
}

/** Its leases last whole seconds, and no shorter than one and a half elections. */
const QUICK_ELECTIONS = ["--heartbeat-interval", "50", "--election-timeout", "500"];

export async function etcdTrialCatalog(t: TestContext, program: string): Promise<TrialCatalog> {
  const { endpoints } = await startEtcdCluster(t, program, QUICK_ELECTIONS);
  const keyPrefix = "trials/";
  return {
    ttlMs: 1_000,
    direct: await openEtcd(t, endpoints, { keyPrefix, writerName: "judge" }),
    wire: async () => {
      const proxies = await Promise.all(endpoints.map((endpoint) => startFaultProxy(t, endpoint)));
      const urls = proxies.map(({ url }) => url);
      return {
        proxies,
        plan: { catalog: { kind: "etcd", endpoints: urls, keyPrefix }, bootToken: BOOT_TOKEN },
      };
    },
    // What etcd counts by is Go's monotonic clock, which no signal steps.
    stepClock: () => undefined,
  };
}
