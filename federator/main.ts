import { readFile } from "node:fs/promises";
import { internalClient } from "#lib/io/internal-client.ts";
import { jsonLog } from "#lib/io/json-log.ts";
import { connectCatalog } from "#lib/io/remote-catalog.ts";
import { runDirectoryDiscovery } from "#lib/io/run-directory.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import { runProgram } from "#lib/run-program.ts";
import { readFederatorConfig } from "./config.ts";
import { startFederator } from "./federator.ts";

await runProgram(jsonLog("federator", null, "info"), async () => {
  const config = readFederatorConfig();
  const log = jsonLog("federator", config.zone, config.logLevel);
  const bootToken = (await readFile(config.bootTokenFile, "utf8")).trim();
  const discovery = runDirectoryDiscovery(config.runDirectory);
  const client = internalClient(bootToken);
  const catalog = connectCatalog({ discovery, client, clock: systemClock });

  const ports = { catalog, discovery, client, clock: systemClock, random: systemRandom, bootToken };
  const federator = await startFederator(config, ports, log);
  return {
    stop: async () => {
      await federator.stop();
      await catalog.close();
      await client.close();
    },
  };
});
