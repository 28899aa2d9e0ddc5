import { jsonLog } from "#lib/io/json-log.ts";
import { spareFullCollections } from "#lib/io/spare-full-collections.ts";
import { parseConfig } from "#lib/parse-config.ts";
import { runProgram } from "#lib/run-program.ts";
import { GatewayConfig } from "./config.ts";
import { startGateway } from "./start-gateway.ts";

spareFullCollections();
await runProgram(jsonLog("gateway", null, "info"), () => {
  const config = parseConfig(GatewayConfig, process.argv.slice(2), process.env);
  return startGateway(config, jsonLog("gateway", config.zone, config.logLevel));
});
