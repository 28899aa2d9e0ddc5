import { readFile } from "node:fs/promises";
import { internalClient } from "#lib/io/internal-client.ts";
import { jsonLog } from "#lib/io/json-log.ts";
import { openKeyFile } from "#lib/io/key-file.ts";
import { openCatalog } from "#lib/io/open-catalog.ts";
import { openDiscovery } from "#lib/io/open-discovery.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { systemRandom } from "#lib/io/system-random.ts";
import { runProgram } from "#lib/run-program.ts";
import { readFederatorConfig } from "./config.ts";
import { etcdMembers } from "./io/leading/etcd-members.ts";
import { startFederator } from "./federator.ts";

await runProgram(jsonLog("federator", null, "info"), async () => {
  const config = readFederatorConfig();
  const log = jsonLog("federator", config.zone, config.logLevel);
  const bootToken = (await readFile(config.bootTokenFile, "utf8")).trim();
  const discovery = await openDiscovery(config.discovery, {
    ...config,
    program: "federator",
    clock: systemClock,
    log,
  });
  const client = internalClient(bootToken);
  const catalog = await openCatalog(config.catalog, {
    discovery,
    client,
    clock: systemClock,
    random: systemRandom,
    writerName: `${config.zone}.federator`,
  });

  const { keyEncryptionKeyFile: keyFile } = config;
  const ports = {
    catalog,
    discovery,
    announce: discovery.announce,
    ...(discovery.observer === undefined ? {} : { extraObserver: discovery.observer }),
    client,
    clock: systemClock,
    random: systemRandom,
    bootToken,
    catalogMembers: await etcdMembers(config.catalog, systemClock),
    keyEncryption: keyFile === undefined ? undefined : await openKeyFile(keyFile),
  };
  const federator = await startFederator(config, ports, log);
  return {
    stop: async () => {
      await federator.stop();
      await catalog.close();
      await client.close();
      await discovery.close();
    },
  };
});
