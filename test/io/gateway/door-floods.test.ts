import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { IDLE_FRAMES_MAX } from "../../../gateway/core/flood-guard.ts";
import { FLOODS, OPENING, UNWANTED_LEAVE } from "../../fuzz/http2-frames.ts";
import { rawExchange } from "../../fuzz/raw-exchange.ts";
import { askHttp2, openHttp2 } from "./door-clients.ts";
import { type DoorWorld, openDoorWorld } from "./door-world.ts";

const MANY = 2_000;

describe("floods of frames over HTTP/2", { timeout: 60_000 }, () => {
  let world: DoorWorld;
  before(async () => {
    world = await openDoorWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  for (const [name, flood] of Object.entries(FLOODS))
    test(`${name} end their own connection, and no other`, async () => {
      const neighbour = await openHttp2(world.gateway.publicUrl);
      const { isClosed } = await rawExchange(
        world.gateway.publicUrl,
        `${OPENING}${flood(MANY)}`,
        15_000,
      );
      assert.ok(isClosed);
      assert.equal((await askHttp2(neighbour)({ path: "/healthz" })).status, 200);
      neighbour.destroy();
      assert.equal(world.agent.calls.length, 0);
    });

  for (const [name, flood] of Object.entries(FLOODS))
    test(`${name} are borne when they are few`, async () => {
      const bytes = `${OPENING}${flood(3)}`;
      assert.equal((await rawExchange(world.gateway.publicUrl, bytes, 200)).isClosed, false);
    });

  test("a caller that is gone before it is given leave to send its body harms nobody", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): unknown => unhandled.push(reason);
    process.on("unhandledRejection", note);
    for (let time = 0; time < 5; time += 1)
      await rawExchange(world.gateway.publicUrl, UNWANTED_LEAVE, 100);
    process.off("unhandledRejection", note);
    assert.deepEqual(unhandled, []);
    const session = await openHttp2(world.gateway.publicUrl);
    assert.equal((await askHttp2(session)({ path: "/healthz" })).status, 200);
    session.destroy();
  });

  test("as many pings as a keen caller sends are answered", async () => {
    const session = await openHttp2(world.gateway.publicUrl);
    for (let sent = 1; sent < IDLE_FRAMES_MAX; sent += 1)
      await new Promise<void>((resolve, reject) =>
        session.ping((error) => (error === null ? resolve() : reject(error))),
      );
    assert.equal((await askHttp2(session)({ path: "/healthz" })).status, 200);
    session.destroy();
  });
});
