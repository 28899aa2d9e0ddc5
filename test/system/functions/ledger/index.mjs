import { appendFileSync } from "node:fs";

/** Writes each start of a call outside the instance, so that a test can count starts. */
export const handler = async (event, context) => {
  appendFileSync(
    process.env.LEDGER,
    `${JSON.stringify({ id: event.id, requestId: context.awsRequestId })}\n`,
  );
  if (event.sleepMs) await new Promise((wake) => setTimeout(wake, event.sleepMs));
  return { id: event.id };
};
