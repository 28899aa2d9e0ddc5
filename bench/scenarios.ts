import type { FigureResult } from "./figures.ts";
import type { BenchReport } from "./report.ts";
import type { RoundOptions } from "./run-rounds.ts";
import { benchAutoscaler } from "./scenarios/autoscaler.ts";
import { benchCatalog } from "./scenarios/catalog.ts";
import { benchColdStart } from "./scenarios/cold-start.ts";
import { benchDensity } from "./scenarios/density.ts";
import { benchFault } from "./scenarios/fault.ts";
import { benchFeed } from "./scenarios/feed.ts";
import { benchGateway, type GatewayBenchOptions } from "./scenarios/gateway.ts";
import { benchHello, type ScenarioResult } from "./scenarios/hello.ts";
import { benchLauncher } from "./scenarios/launcher.ts";
import { benchObserve } from "./scenarios/observe.ts";
import { benchOverload } from "./scenarios/overload.ts";
import { benchReplica } from "./scenarios/replica.ts";
import { benchScaleOut } from "./scenarios/scale-out.ts";
import { benchStream } from "./scenarios/stream.ts";
import { benchTable } from "./scenarios/table.ts";
import { benchTakeout } from "./scenarios/takeout.ts";
import { benchWarm } from "./scenarios/warm.ts";
import { benchWorkers } from "./scenarios/workers.ts";

interface ReportOptions extends GatewayBenchOptions {
  readonly traceFile: string | undefined;
}

export type Scenario = {
  /** What it measures, in a line. */
  readonly about: string;
  /** Of rounds and connections, where the command line does not say. */
  readonly rounds?: string;
  readonly connections?: string;
} & (
  | { readonly kind: "calls"; readonly run: (options: RoundOptions) => Promise<ScenarioResult> }
  /** Those that are not about calls: figures of their own, in rounds of their own length. */
  | { readonly kind: "figures"; readonly run: (options: RoundOptions) => Promise<FigureResult> }
  /** Those that print tables of their own. */
  | { readonly kind: "report"; readonly run: (options: ReportOptions) => Promise<BenchReport> }
);

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  gateway: {
    kind: "report",
    about: "what a request costs a gateway with all its layers, beside other proxies",
    run: benchGateway,
    connections: "64",
  },
  fault: {
    kind: "report",
    about: "what callers see of a lost backend, behind the gateway and tuned proxies: six minutes",
    run: benchFault,
    rounds: "1",
  },
  hello: {
    kind: "calls",
    about: "a function that is deployed and warm, through gateway, agent and instance",
    run: benchHello,
  },
  stream: {
    kind: "report",
    about: "1 GiB up and down, through gateway and agent to a function that is a server",
    run: benchStream,
    rounds: "1",
  },
  workers: {
    kind: "report",
    about: "two gateways on one port beside one alone",
    run: benchWorkers,
    connections: "64",
  },
  overload: {
    kind: "report",
    about: "ten times what the clusters serve, in three tiers, and how soon it is over",
    run: benchOverload,
    rounds: "1",
  },
  "cold-start": {
    kind: "report",
    about: "from a request to the answer of a function that has no instance",
    run: benchColdStart,
    rounds: "20",
  },
  warm: {
    kind: "report",
    about: "what a call of a function that is there costs its agent and instance",
    run: benchWarm,
  },
  launcher: {
    kind: "figures",
    about: "how long a large agent stands still while fifty instances are started",
    run: benchLauncher,
    rounds: "2",
  },
  "scale-out": {
    kind: "report",
    about: "a hundred functions without an instance that are called at the same moment",
    run: benchScaleOut,
  },
  density: {
    kind: "report",
    about: "memory of idle instances, and what is left of it when they are gone",
    run: benchDensity,
  },
  autoscaler: {
    kind: "report",
    about: "both scaling modes on the same calls, in virtual time",
    run: benchAutoscaler,
  },
  observe: {
    kind: "figures",
    about: "what it costs a call to be traced and counted",
    run: benchObserve,
  },
  table: {
    kind: "figures",
    about: "a route table of 100,000 functions in a gateway",
    run: benchTable,
  },
  feed: {
    kind: "calls",
    about: "changes of the catalog to many receivers, beside a plain broadcast",
    run: benchFeed,
  },
  takeout: {
    kind: "figures",
    about: "how soon a lost zone is out of every table",
    run: benchTakeout,
  },
  catalog: {
    kind: "calls",
    about: "writes and reads of the catalog beside etcd's own client",
    run: benchCatalog,
  },
  replica: {
    kind: "figures",
    about: "what a zone's replica of the catalog costs",
    run: benchReplica,
  },
};
