import { jsonLog } from "#lib/io/json-log.ts";
import { parseConfig } from "#lib/parse-config.ts";
import { runProgram } from "#lib/run-program.ts";
import { GatewayConfig } from "./config.ts";
import { startGateway } from "./start-gateway.ts";

await runProgram(jsonLog("gateway", null, "info"), () => {
  const config = parseConfig(GatewayConfig, process.argv.slice(2), process.env);
  return startGateway(config, jsonLog("gateway", config.zone, config.logLevel));
});
