import { mkdir, readFile } from "node:fs/promises";
import { internalClient } from "#lib/io/internal-client.ts";
import { jsonLog } from "#lib/io/json-log.ts";
import { openKeyFile } from "#lib/io/key-file.ts";
import { openDiscovery } from "#lib/io/open-discovery.ts";
import { spareFullCollections } from "#lib/io/spare-full-collections.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import { runProgram } from "#lib/run-program.ts";
import { startAgent } from "./agent.ts";
import { readAgentConfig } from "./config.ts";
import { openDriver } from "./drivers/open-driver.ts";
import { openSocketDirectory } from "./io/socket-directory.ts";

spareFullCollections();
await runProgram(jsonLog("agent", null, "info"), async () => {
  const config = readAgentConfig();
  const log = jsonLog("agent", config.zone, config.logLevel);
  const bootToken = (await readFile(config.bootTokenFile, "utf8")).trim();
  await mkdir(config.stateDirectory, { recursive: true, mode: 0o700 });
  const driver = await openDriver(
    config,
    () => openSocketDirectory(config.runDirectory, config.zone),
    log,
  );

  const discovery = await openDiscovery(config.discovery, {
    ...config,
    program: "agent",
    clock: systemClock,
    log,
  });
  const client = internalClient(bootToken);
  const { keyEncryptionKeyFile: keyFile } = config;
  const ports = {
    driver,
    discovery,
    announce: discovery.announce,
    client,
    clock: systemClock,
    random: systemRandom,
    bootToken,
    keyEncryption: keyFile === undefined ? undefined : await openKeyFile(keyFile),
  };
  const agent = await startAgent(config, ports, log);
  return {
    stop: async () => {
      await agent.stop();
      await driver.close();
      await client.close();
      await discovery.close();
    },
  };
});
