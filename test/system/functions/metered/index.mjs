import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Writes each start outside the instance, so that a test can count what was executed, and answers with as many bytes as asked. */
export const handler = async (event) => {
  appendFileSync(process.env.LEDGER, "began\n");
  if (event.ms) await sleep(event.ms);
  if (event.fails) throw new Error("as asked");
  return "x".repeat(event.bytes ?? 1);
};
