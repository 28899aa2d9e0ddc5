import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Writes each start, and how long each took, outside the instance, so that a test can count what was executed. */
export const handler = async (event) => {
  appendFileSync(process.env.LEDGER, "began\n");
  if (event?.exits) process.exit(7);
  const beganAtMs = performance.now();
  if (event?.ms) await sleep(event.ms);
  appendFileSync(process.env.LEDGER, `ended ${performance.now() - beganAtMs}\n`);
  return { done: true };
};
