import assert from "node:assert/strict";
import { readFile, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { ProgramPlan } from "../../../cli/up/core/plan-programs.ts";
import { prepareRun, restoreConfig } from "../../../cli/up/io/run-directory-files.ts";
import { temporaryFolder } from "./temporary-folder.ts";

test("a configuration that was deleted or cut off is whole again for the next start", async (context) => {
  const folder = await temporaryFolder(context);
  const plan: ProgramPlan = {
    name: "agent",
    program: "agent",
    isSpare: false,
    zone: "here",
    entry: "",
    config: { zone: "here" },
    configFile: join(folder, "run", "here.agent.config.json"),
    logFile: join(folder, "logs", "here.agent.log"),
  };
  await prepareRun(join(folder, "run"), [plan]);
  const whole = await readFile(plan.configFile, "utf8");
  assert.deepEqual(JSON.parse(whole), plan.config);

  await truncate(plan.configFile, 3);
  restoreConfig(plan);
  assert.equal(await readFile(plan.configFile, "utf8"), whole);
  await rm(plan.configFile);
  restoreConfig(plan);
  assert.equal(await readFile(plan.configFile, "utf8"), whole);
  await rm(join(folder, "run"), { recursive: true });
  restoreConfig(plan);
});
