/**
 * Greets `event.name`. Serves both doors: `:invoke` hands over the JSON body, `/fn/…` an HTTP request as AWS Lambda's
 * function URLs describe it (payload 2.0), whose query may carry the name.
 */
export function handler(event) {
  const name = nameOf(event);
  console.log(`greeting ${name}`);
  return { greeting: `Hello, ${name}!` };
}

function nameOf(event) {
  const name = event?.requestContext?.http ? event.queryStringParameters?.name : event?.name;
  return typeof name === "string" && name !== "" ? name : "world";
}
