import { startFakeAgent } from "../io/gateway/fake-agent.ts";

/* An agent of its own process: what is sent to slow readers must not slow down who makes the calls, nor its pings. */
const agent = await startFakeAgent("eu-west");
agent.behaviourOf.set("open@1", "answer-at-length");
process.send?.(agent.url);
process.on("disconnect", () => process.exit(0));
