import { writeFileSync } from "node:fs";

/** Says one word and never ends; that nobody listens any more is written to a file. */
export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  const { signal } = context;
  const gone = new Promise((resolve) => signal.addEventListener("abort", resolve));
  stream.write("tick");
  await gone;
  writeFileSync(process.env.GONE_FILE, "gone");
});
