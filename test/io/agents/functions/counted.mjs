import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Writes down each start by its id, outside the instance, so that a test can count them. */
export const handler = async ({ id, ms }) => {
  appendFileSync(process.env.LEDGER, `${id}\n`);
  await sleep(ms);
  return id;
};
