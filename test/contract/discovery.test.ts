import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext } from "node:test";
import { pino } from "pino";
import type { DiscoveryConfig } from "#lib/contracts/discovery-config.ts";
import { openDiscovery } from "#lib/io/open-discovery.ts";
import { publishEndpoint } from "#lib/io/run-directory.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import type { OpenDiscovery } from "#lib/ports/discovery.ts";
import { findEngine } from "../engines/find-engine.ts";
import { type RunningConsul, startConsul } from "../engines/start-consul.ts";
import { ZONES } from "../io/federator-api/zones.ts";
import { discoveryContract } from "./discovery.contract.ts";

const engine = await findEngine("consul");
let consul: RunningConsul | undefined;
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "meridian-discovery-"));
  if (engine.kind === "found") consul = await startConsul(engine.path);
});
after(async () => {
  await consul?.stop();
  await rm(folder, { recursive: true, force: true });
});

let opened = 0;
async function openWith(context: TestContext, config: DiscoveryConfig): Promise<OpenDiscovery> {
  opened += 1;
  const discovery = await openDiscovery(config, {
    program: "gateway",
    zone: "eu-west",
    zones: ZONES,
    runDirectory: join(folder, String(opened)),
    clock: systemClock,
    log: pino({ level: "silent" }),
  });
  context.after(discovery.close);
  return discovery;
}

discoveryContract("run directory", async (context, programs) => {
  const directory = join(folder, String(opened + 1));
  for (const program of programs) await publishEndpoint(directory, program);
  return openWith(context, { kind: "run-directory" });
});

discoveryContract("static list", (context, programs) =>
  openWith(context, { kind: "static", endpoints: [...programs] }),
);

discoveryContract(
  "Consul",
  async (context, programs) => {
    const address = consul?.address ?? "";
    const config = { kind: "consul", address, pollIntervalMs: 100, timeoutMs: 2_000 } as const;
    for (const program of programs) {
      const announcer = await openWith(context, config);
      await announcer.announce(program);
    }
    return openWith(context, config);
  },
  engine.kind === "missing" ? engine.reason : false,
);
