import { openSync, writeSync } from "node:fs";

/** Outside every zone, so that killing one takes no evidence along. Opened for appending: one write is one line. */
const ledger = openSync(process.env.DRILL_LEDGER_FILE, "a");

/** Writes down that it was started, before anything else, and answers the number of the call. */
export const handler = async ({ id }) => {
  writeSync(ledger, `${JSON.stringify({ id, pid: process.pid, atMs: Date.now() })}\n`);
  return { id };
};
