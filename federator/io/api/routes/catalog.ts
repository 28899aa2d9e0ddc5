import { Type } from "typebox";
import { Value } from "typebox/value";
import { CatalogRecovery, CatalogZone, FederationCatalog } from "#lib/contracts/catalog-status.ts";
import { Name } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import { type Api, type ApiPorts, changeBy } from "../api-context.ts";
import type { CatalogDesk } from "../../replica/catalog-desk.ts";
import { JSON_BODY_BYTES_MAX } from "./schemas.ts";

const STATUS_TIMEOUT_MS = 1_000;
/** A peer writes records back for 15 s a call. */
const DECISION_TIMEOUT_MS = 50_000;

/** How long the answer to a recovery waits until changes are taken again. */
const SETTLE_TIMEOUT_MS = 2_000;

const OneZone = Type.Object({ zone: Name }, { additionalProperties: false });
const VERBS = [
  { verb: "recover", answer: CatalogRecovery },
  { verb: "discard", answer: CatalogZone },
  { verb: "accept", answer: CatalogZone },
] as const;

export function catalogRoutes(api: Api, ports: ApiPorts, desk: CatalogDesk): void {
  const { federation, client, clock, log, zones, zone: own } = ports;

  api.get(
    "/v1/catalog",
    { config: { action: "catalog.read" }, schema: { response: { 200: FederationCatalog } } },
    async (): Promise<FederationCatalog> => {
      const peers = await federation.peers();
      const askZone = async (zone: string): Promise<CatalogZone | undefined> => {
        if (zone === own) return desk.status();
        const url = peers.get(zone);
        if (url === undefined) return undefined;
        const path = "/internal/catalog/status";
        const answer = await client
          .json(url, { path, timeoutMs: STATUS_TIMEOUT_MS })
          .catch((error: unknown) => log.info({ zone, err: error }, "a zone did not answer"));
        return Value.Check(CatalogZone, answer) ? answer : undefined;
      };
      const names = zones.map(({ name }) => name);
      const answers = await Promise.all(names.map(askZone));
      return {
        zones: answers.filter((answer) => answer !== undefined),
        silentZones: names.filter((_, index) => answers[index] === undefined),
      };
    },
  );

  for (const { verb, answer } of VERBS)
    api.post(
      `/v1/catalog::${verb}`,
      {
        config: { action: `catalog.${verb}` },
        bodyLimit: JSON_BODY_BYTES_MAX,
        schema: { body: OneZone, response: { 200: answer } },
      },
      async (request) => {
        const { zone } = request.body;
        if (zones.every(({ name }) => name !== zone))
          throw new MeridianError(
            "MERIDIAN_NOT_FOUND",
            `There is no zone ${zone}; there are ${zones.map(({ name }) => name).join(", ")}.`,
          );
        const subject = `zones/${zone}`;
        const change = changeBy(request, `catalog.${verb}`, null, subject, clock.wallMs());
        if (zone === own) {
          const decided = await desk[verb](change, AbortSignal.timeout(DECISION_TIMEOUT_MS));
          return settled(ports, verb, decided);
        }
        const url = (await federation.peers()).get(zone);
        if (url === undefined)
          throw new MeridianError(
            "MERIDIAN_CONTROL_UNAVAILABLE",
            `The federator of ${zone} does not run, and nobody else can decide for it; start it and try again.`,
          );
        const told = await client.json(url, {
          method: "POST",
          path: `/internal/catalog/${verb}`,
          json: change,
          timeoutMs: DECISION_TIMEOUT_MS,
        });
        if (Value.Check(answer, told)) return settled(ports, verb, told);
        throw new MeridianError(
          "MERIDIAN_CONTROL_UNAVAILABLE",
          `The federator of ${zone} answered something else; look at \`meridian catalog status\` before trying again.`,
        );
      },
    );
}

/** What is sent right after a recovery shall be taken: the other zones hear of it a moment later. */
async function settled<T extends CatalogZone | CatalogRecovery>(
  { openDecisions }: ApiPorts,
  verb: (typeof VERBS)[number]["verb"],
  decided: T,
): Promise<T> {
  if (verb === "recover") await openDecisions?.untilNone(SETTLE_TIMEOUT_MS);
  return decided;
}
