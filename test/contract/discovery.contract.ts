import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { RunEndpoint } from "#lib/contracts/run-endpoint.ts";
import type { OpenDiscovery } from "#lib/ports/discovery.ts";
import { until } from "../io/federator/support/until.ts";

/** An endpoint of a zone; its admin URL answers `/healthz` only where the test says so. */
export const endpointOf = (
  program: RunEndpoint["program"],
  zone: string | null,
  bootId = "first",
  admin = "http://127.0.0.1:9",
): RunEndpoint => ({
  program,
  zone,
  pid: 1,
  bootId,
  urls: { internal: `http://127.0.0.1/${program}`, admin },
});

/** Opens the discovery of a program that finds `programs`, once they have been announced to whatever it learns from. */
export type OpenWith = (
  context: TestContext,
  programs: readonly RunEndpoint[],
) => Promise<OpenDiscovery>;

const inOrder = (endpoints: readonly RunEndpoint[]): readonly RunEndpoint[] =>
  endpoints.toSorted((one, other) => JSON.stringify(one).localeCompare(JSON.stringify(other)));

/** What every driver of the `Discovery` port promises. A reason to skip is that of a missing engine. */
export function discoveryContract(
  name: string,
  open: OpenWith,
  skip: string | false = false,
): void {
  describe(name, { skip }, () => {
    test("it finds the programs as they describe themselves", async (context) => {
      const programs = [
        endpointOf("federator", "eu-west"),
        endpointOf("agent", "eu-west"),
        endpointOf("federator", "us-east"),
        endpointOf("catalog", null),
      ];
      const discovery = await open(context, programs);
      await until("all are found", async () => (await discovery.list()).length === 4);
      assert.deepEqual(inOrder(await discovery.list()), inOrder(programs));
    });

    test("without any program it knows none, and does not fail", async (context) => {
      const discovery = await open(context, []);
      assert.deepEqual(await discovery.list(), []);
    });

    test("closing it twice is as good as once, and what it knew it still tells", async (context) => {
      const programs = [endpointOf("federator", "eu-west")];
      const discovery = await open(context, programs);
      await until("it is found", async () => (await discovery.list()).length === 1);
      await discovery.close();
      await discovery.close();
      assert.deepEqual(await discovery.list(), programs);
    });
  });
}
