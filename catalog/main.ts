import { jsonLog } from "#lib/io/json-log.ts";
import { runProgram } from "#lib/run-program.ts";
import { startCatalog } from "./catalog.ts";
import { readCatalogConfig } from "./config.ts";

const log = jsonLog("catalog", null, "info");

await runProgram(log, async () => {
  const config = readCatalogConfig();
  log.level = config.logLevel;
  return await startCatalog(config, log);
});
