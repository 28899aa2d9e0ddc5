import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { describe, test } from "node:test";
import { openHttp2 } from "./door-clients.ts";
import { DEMO_KEY, eventually } from "./run-gateway.ts";
import { answerNotStarted, startStreamAgent, type StandInCall } from "./stream-agent.ts";
import { headOf, openCaller, openStreamWorld } from "./stream-world.ts";

const MEGABYTE = 1024 * 1024;
const CHUNKED = "Transfer-Encoding: chunked";
const post = (...headers: readonly string[]): string =>
  headOf("POST /fn/demo/server/up HTTP/1.1", ...headers);

/** Takes all of it, as it comes. */
const takeAll = (call: StandInCall): void => {
  call.giveCredit(64 * MEGABYTE);
  void call.bodyEnded.then(() =>
    call.answerWhole({ status: 200, headers: {} }, `${call.body().length} bytes`),
  );
};

describe("bodies for servers", { timeout: 60_000 }, () => {
  test("a small one that says its length goes whole, as every handler's does", async () => {
    await using world = await openStreamWorld();
    const caller = openCaller(world.gateway);
    caller.write(`${post("Content-Length: 5")}hello`);
    await eventually(() => caller.text().includes("ok"));
    const [call] = world.agent.calls;
    assert.equal(call?.head.isStreamed, undefined);
    assert.equal(call?.head.bodyBytes, 5);
    assert.equal(call?.body().toString(), "hello");
    caller.socket.destroy();
  });

  test("nothing of a long one is asked for before the agent gives credit, and then no more than that", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = () => undefined;
    const caller = openCaller(world.gateway);
    caller.write(post(`Content-Length: ${MEGABYTE}`, "Expect: 100-continue"));
    await eventually(() => world.agent.calls.length === 1);
    const [call] = world.agent.calls;
    assert.deepEqual([call?.head.isStreamed, call?.head.bodyBytes], [true, 0]);
    assert.equal(caller.text(), "");
    call?.giveCredit(100);
    await eventually(() => caller.text().startsWith("HTTP/1.1 100 Continue"));
    caller.write(Buffer.alloc(MEGABYTE, "x"));
    await eventually(() => call?.body().length === 100);
    call?.giveCredit(900);
    await eventually(() => call?.body().length === 1_000);
    call?.giveCredit(MEGABYTE);
    assert.equal(await call?.bodyEnded, "end");
    assert.equal(call?.body().length, MEGABYTE);
    call?.answerWhole({ status: 200, headers: {} }, "taken");
    await eventually(() => caller.text().endsWith("taken"));
    caller.socket.destroy();
  });

  test("chunks and their trailers arrive, but for trailers that would change the message", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = takeAll;
    const caller = openCaller(world.gateway);
    caller.write(
      `${post(CHUNKED, "Trailer: X-Sum")}5\r\nhello\r\n0\r\nX-Sum: 42\r\nHost: evil\r\nMeridian-Tenant: evil\r\n\r\n`,
    );
    await eventually(() => caller.text().includes("5 bytes"));
    assert.deepEqual(world.agent.calls[0]?.trailers(), { "x-sum": "42" });
    caller.socket.destroy();
  });

  test("over HTTP/2 they stream as well, trailers included", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = takeAll;
    const session = await openHttp2(world.gateway.publicUrl);
    const stream = session.request(
      { ":method": "POST", ":path": "/fn/demo/server/", authorization: `Bearer ${DEMO_KEY}` },
      { waitForTrailers: true },
    );
    stream.once("wantTrailers", () => stream.sendTrailers({ "x-sum": "43" }));
    stream.end(Buffer.alloc(MEGABYTE));
    const [answer] = await once(stream, "response");
    assert.equal(answer[":status"], 200);
    assert.equal(world.agent.calls[0]?.body().length, MEGABYTE);
    assert.deepEqual(world.agent.calls[0]?.trailers(), { "x-sum": "43" });
    session.destroy();
  });

  test("an answer before the body's end is passed on, and the connection serves the next call", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = (call) => {
      call.giveCredit(10);
      call.answerWhole({ status: 200, headers: {} }, "early");
    };
    const caller = openCaller(world.gateway);
    caller.write(`${post("Content-Length: 200000")}0123456789`);
    await eventually(() => caller.text().endsWith("early"));
    caller.write(Buffer.alloc(200_000 - 10, "x"));
    caller.write(post("Content-Length: 0"));
    await eventually(() => caller.text().split("early").length === 3);
    assert.equal(caller.text().split("HTTP/1.1 200").length, 3);
    assert.equal(world.agent.calls.length, 2);
    caller.socket.destroy();
  });

  test("a caller that is never asked for its body has its answer, and its connection ends", async () => {
    await using world = await openStreamWorld();
    const caller = openCaller(world.gateway);
    caller.write(post("Content-Length: 200000", "Expect: 100-continue"));
    await eventually(() => caller.text().endsWith("ok"));
    assert.match(caller.text(), /^HTTP\/1\.1 200.*connection: close/is);
    assert.equal(await caller.closed, "end");
    caller.socket.destroy();
  });

  test("a caller that leaves in the middle of it takes the call along", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = (call) => call.giveCredit(MEGABYTE);
    const caller = openCaller(world.gateway);
    caller.write(`${post(CHUNKED)}5\r\nhello\r\n`);
    await eventually(() => world.agent.calls[0]?.body().toString() === "hello");
    caller.socket.destroy();
    assert.notEqual(await world.agent.calls[0]?.bodyEnded, "end");
    await world.agent.calls[0]?.cancelled;
  });

  test("one that is no HTTP any more is refused, and told to the agent as broken", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = (call) => call.giveCredit(MEGABYTE);
    const caller = openCaller(world.gateway);
    caller.write(`${post(CHUNKED)}5\r\nhello\r\n`);
    await eventually(() => world.agent.calls[0]?.body().toString() === "hello");
    caller.write("zz\r\n");
    assert.equal(await caller.closed, "end");
    assert.match(caller.text(), /^HTTP\/1\.1 400/);
    assert.equal(await world.agent.calls[0]?.bodyEnded, "broken");
    caller.socket.destroy();
  });

  test("one that stands still is 408; once the function answers, it may rest", async () => {
    await using world = await openStreamWorld({ stallMs: 400 });
    world.agent.serve = (call) => call.giveCredit(MEGABYTE);
    const slow = openCaller(world.gateway);
    slow.write(`${post(CHUNKED)}5\r\nhello\r\n`);
    await slow.closed;
    assert.match(slow.text(), /^HTTP\/1\.1 408/);
    world.agent.serve = (call) => {
      call.giveCredit(MEGABYTE);
      call.answer({ status: 200, headers: {} }, "talking");
    };
    const talking = openCaller(world.gateway);
    talking.write(`${post(CHUNKED)}5\r\nhello\r\n`);
    await eventually(() => talking.text().includes("talking"));
    // Another caller stands still for as long meanwhile, and is told so.
    const other = openCaller(world.gateway);
    other.write(headOf("POST /fn/demo/handler/ HTTP/1.1", "Content-Length: 9"));
    await other.closed;
    talking.write("5\r\nagain\r\n0\r\n\r\n");
    assert.equal(await world.agent.calls[1]?.bodyEnded, "end");
    assert.equal(world.agent.calls[1]?.body().toString(), "helloagain");
    for (const { socket } of [slow, talking, other]) socket.destroy();
  });
});

describe("where a streamed call goes", { timeout: 60_000 }, () => {
  test("elsewhere with its body untouched, from an agent that does not start it", async () => {
    await using world = await openStreamWorld({}, { beforeStart: answerNotStarted });
    const other = await startStreamAgent();
    other.serve = takeAll;
    await world.federation.publish("agent", "us-east", other.url);
    await usable(world.gateway.publicUrl, "us-east-1");
    const sending = request(`${world.gateway.publicUrl}/fn/demo/server/`, {
      method: "POST",
      headers: { authorization: `Bearer ${DEMO_KEY}` },
    });
    sending.end(Buffer.alloc(MEGABYTE));
    const [answer] = await once(sending, "response");
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers["meridian-cluster"], "us-east-1");
    assert.equal(other.calls[0]?.body().length, MEGABYTE);
    answer.resume();
    await other.close();
  });

  test("nowhere else once a byte of it was sent", async () => {
    await using world = await openStreamWorld();
    world.agent.serve = (call) => {
      call.giveCredit(10);
      void eventually(() => call.body().length === 10).then(() => answerNotStarted(call));
    };
    const caller = openCaller(world.gateway);
    caller.write(`${post(CHUNKED)}a\r\n0123456789\r\n`);
    await eventually(() => caller.text().includes("HTTP/1.1 503"));
    assert.equal(world.agent.calls.length, 1);
    caller.socket.destroy();
  });

  test("past agents of the version before, and where there are no others it is said", async () => {
    await using world = await openStreamWorld({}, { features: "" });
    const send = (): Promise<Response> =>
      fetch(`${world.gateway.publicUrl}/fn/demo/server/`, {
        method: "POST",
        headers: { authorization: `Bearer ${DEMO_KEY}` },
        body: new Blob([Buffer.alloc(MEGABYTE)]),
      });
    const refused = await send();
    assert.equal(refused.status, 503);
    const problem = await refused.text();
    assert.match(problem, /MERIDIAN_NO_CLUSTER/);
    assert.match(problem, /takes neither streamed bodies nor upgrades/);
    assert.equal(world.agent.calls.length, 0);

    const newer = await startStreamAgent();
    newer.serve = takeAll;
    await world.federation.publish("agent", "us-east", newer.url);
    await usable(world.gateway.publicUrl, "us-east-1");
    const answer = await send();
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("meridian-cluster"), "us-east-1");
    await newer.close();
  });
});

/** Until the gateway has heard of the cluster's agent. */
const usable = (publicUrl: string, clusterId: string): Promise<void> =>
  eventually(async () => {
    const path = "/v1/route:explain?tenant=demo&function=server&region=us-east";
    const answer = await fetch(`${publicUrl}${path}`, {
      headers: { authorization: `Bearer ${DEMO_KEY}` },
    });
    const text = await answer.text();
    return JSON.stringify(JSON.parse(text)).includes(`"${clusterId}"`) && isChosen(text, clusterId);
  });

const isChosen = (text: string, clusterId: string): boolean => {
  const { candidates = [], clusters = candidates } = JSON.parse(text);
  return clusters.some(
    (one: { cluster?: string; clusterId?: string; decision?: string }) =>
      (one.cluster ?? one.clusterId) === clusterId && one.decision === "chosen",
  );
};
