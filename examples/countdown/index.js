import { setTimeout as sleep } from "node:timers/promises";

export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  const answer = awslambda.HttpResponseStream.from(stream, {
    statusCode: 200,
    headers: { "content-type": "text/event-stream" },
  });
  const from = Number(event.queryStringParameters?.from ?? event.from ?? 3);
  for (let left = from; left > 0; left -= 1) {
    answer.write(`data: ${left}\n\n`);
    await sleep(500, undefined, { signal: context.signal });
  }
  answer.end();
});
