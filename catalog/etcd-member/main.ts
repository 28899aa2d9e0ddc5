import { jsonLog } from "#lib/io/json-log.ts";
import { runProgram, tellSupervisor } from "#lib/run-program.ts";
import { readEtcdMemberConfig } from "./config.ts";
import { startMember } from "./start-member.ts";

await runProgram(jsonLog("catalog", null, "info"), async () => {
  const config = readEtcdMemberConfig();
  const log = jsonLog("catalog", config.zone, config.logLevel);
  return await startMember(config, log, (pid) => tellSupervisor({ kind: "pids", pids: [pid] }));
});
