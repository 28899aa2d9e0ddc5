import assert from "node:assert/strict";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { MeridianError } from "#lib/errors.ts";
import { GatewayRestart, UpStatus, ZoneActionResult } from "#lib/contracts/supervision.ts";
import { UsageError } from "../../../cli/failures.ts";
import { askUp } from "../../../cli/up-client.ts";
import { startUpServer, type UpServices } from "../../../cli/up/io/up-server.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const nothingToRestart = async (zone: string) => ({ zone, restarted: [] });
const STATUS: UpStatus = { pid: 1, endpoint: "http://127.0.0.1:8080", groups: [] };

test("a zone action and the status go over a socket that only its user can open", async (context) => {
  const acted: string[] = [];
  const { state, socketPath } = await serve(context, await temporaryFolder(context), {
    status: () => STATUS,
    restartGateways: nothingToRestart,
    act: async (zone, action) => {
      acted.push(`${zone} ${action}`);
      return { zone, state: "stopped" };
    },
  });
  assert.equal((await stat(socketPath)).mode & 0o777, 0o600);
  const result = await askUp(state, ZoneActionResult, "POST", "/zones/eu-west:kill");
  assert.deepEqual(result, { zone: "eu-west", state: "stopped" });
  assert.deepEqual(acted, ["eu-west kill"]);
  assert.deepEqual(await askUp(state, UpStatus, "GET", "/status"), STATUS);
});

test("gateways are restarted by zone, and what took whose place is told", async (context) => {
  const { state } = await serve(context, await temporaryFolder(context), {
    status: () => STATUS,
    act: async (zone) => ({ zone, state: "running" }),
    restartGateways: async (zone) => ({ zone, restarted: [{ pid: 7, by: 8 }] }),
  });
  const result = await askUp(state, GatewayRestart, "POST", "/gateways/eu-west:restart");
  assert.deepEqual(result, { zone: "eu-west", restarted: [{ pid: 7, by: 8 }] });
});

test("a state folder whose path is too long for a socket has it elsewhere", async (context) => {
  const deep = join(await temporaryFolder(context), "x".repeat(120));
  await mkdir(deep);
  const { state, socketPath } = await serve(context, deep, {
    status: () => STATUS,
    restartGateways: nothingToRestart,
    act: async (zone) => ({ zone, state: "running" }),
  });
  assert.ok(Buffer.byteLength(socketPath) < 100);
  assert.deepEqual(await askUp(state, UpStatus, "GET", "/status"), STATUS);
});

test("what cannot be done comes back as the problem it is", async (context) => {
  const { state } = await serve(context, await temporaryFolder(context), {
    status: () => STATUS,
    restartGateways: nothingToRestart,
    act: () => {
      throw new MeridianError("MERIDIAN_NOT_FOUND", "there is no zone of that name");
    },
  });
  for (const path of ["/zones/x:kill", "/zones/x:explode", "/elsewhere"])
    await assert.rejects(askUp(state, ZoneActionResult, "POST", path), {
      code: "MERIDIAN_NOT_FOUND",
    });
});

test("a zone is looked up by whatever name it is asked for", async (context) => {
  const asked: string[] = [];
  const { state } = await serve(context, await temporaryFolder(context), {
    status: () => STATUS,
    restartGateways: async (zone) => {
      asked.push(zone);
      return { zone: "eu-west", restarted: [] };
    },
    act: async (zone) => {
      asked.push(zone);
      return { zone: "eu-west", state: "stopped" };
    },
  });
  const path = encodeURIComponent("../up");
  await askUp(state, GatewayRestart, "POST", `/gateways/${path}:restart`);
  await askUp(state, ZoneActionResult, "POST", `/zones/${path}:kill`);
  await askUp(state, ZoneActionResult, "POST", "/zones/%ff:kill");
  assert.deepEqual(asked, ["../up", "../up", "%ff"]);
});

test("a state nobody runs is wrong usage", async (context) => {
  const state = await temporaryFolder(context);
  await assert.rejects(askUp(state, UpStatus, "GET", "/status"), UsageError);
});

async function serve(
  context: TestContext,
  state: string,
  services: UpServices,
): Promise<{ readonly state: string; readonly socketPath: string }> {
  const run = join(state, "run");
  await mkdir(run);
  const { socketPath, close } = await startUpServer(run, services);
  context.after(close);
  const record = { pid: 1, endpoint: "http://127.0.0.1:8080", socketPath };
  await writeFile(join(run, "up.json"), JSON.stringify(record));
  return { state, socketPath };
}
