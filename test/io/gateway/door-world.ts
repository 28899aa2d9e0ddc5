import type { GatewayConfig } from "../../../gateway/config.ts";
import type { RunningGateway } from "../../../gateway/start-gateway.ts";
import { type FakeAgent, startFakeAgent } from "./fake-agent.ts";
import { type FakeFederator, startFakeFederator } from "./fake-federator.ts";
import {
  eventually,
  type FunctionShape,
  tableEntries,
  type TestFederation,
  testFederation,
} from "./run-gateway.ts";

/** What a gateway needs around it: an agent and a federator that count what reaches them. */
export interface DoorGround extends AsyncDisposable {
  readonly federation: TestFederation;
  readonly agent: FakeAgent;
  readonly federator: FakeFederator;
}

/** The same, with a gateway that is ready. */
export interface DoorWorld extends DoorGround {
  readonly gateway: RunningGateway;
}

const FUNCTIONS: readonly FunctionShape[] = [
  { name: "echo" },
  { name: "open", httpAuth: "public" },
];
const LIMITS = { "requests-per-second": 1_000_000, burst: 1_000_000, concurrency: 10_000 };

export async function openDoorGround(): Promise<DoorGround> {
  await using opened = new AsyncDisposableStack();
  const federation = await testFederation();
  opened.defer(federation.remove);
  const federator = await startFakeFederator();
  opened.defer(federator.close);
  const agent = await startFakeAgent("eu-west");
  opened.defer(agent.close);
  await federation.publish("federator", "eu-west", federator.url);
  await federation.publish("agent", "eu-west", agent.url);
  federator.sendTable(tableEntries({ functions: FUNCTIONS, limits: LIMITS }), 1);
  federator.grantAll();
  const closing = opened.move();
  return { federation, agent, federator, [Symbol.asyncDispose]: () => closing.disposeAsync() };
}

export async function openDoorWorld(changes: Partial<GatewayConfig> = {}): Promise<DoorWorld> {
  await using opened = new AsyncDisposableStack();
  const ground = opened.use(await openDoorGround());
  const gateway = await ground.federation.startGateway(changes);
  opened.defer(gateway.stop);
  await isReady(gateway.publicUrl);
  const closing = opened.move();
  return { ...ground, gateway, [Symbol.asyncDispose]: () => closing.disposeAsync() };
}

export const isReady = (publicUrl: string): Promise<void> =>
  eventually(async () => {
    const answer = await fetch(`${publicUrl}/readyz`).catch(() => undefined);
    return answer?.status === 200;
  });
