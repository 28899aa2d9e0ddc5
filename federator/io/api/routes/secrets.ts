import { PutSecret, SECRET_BYTES_MAX, SecretView } from "#lib/contracts/api.ts";
import { keys, prefixes } from "#lib/contracts/catalog-keys.ts";
import type { SecretNameRecord, SecretRecord } from "#lib/contracts/catalog-records.ts";
import { MeridianError } from "#lib/errors.ts";
import { sealSecret } from "#lib/io/secret-envelope.ts";
import type { Transaction } from "#lib/ports/catalog.ts";
import {
  nextRevision,
  planSecretChange,
  planSecretRemoval,
  SECRET_REVISIONS_MAX,
  SECRETS_MAX,
} from "../../../core/functions/plan-secret.ts";
import { type Api, type ApiPorts, callerOf, changeBy } from "../api-context.ts";
import { commitChange, untilApplied } from "../commit-change.ts";
import { changedMeanwhile, etag, readPrecondition } from "../etags.ts";
import { guardCount } from "../guard-count.ts";
import { readEach, readSecretName } from "../../read-records.ts";
import { refuseRemoval } from "../refuse-removal.ts";
import { lastKnownRevision } from "../../functions/known-numbers.ts";
import { fetchSecretState, findSecretUses, requireKey } from "../../functions/secrets.ts";
import { JSON_BODY_BYTES_MAX, pageOf, SecretPath, TenantPath } from "./schemas.ts";

const SECRET = "/v1/tenants/:tenant/secrets/:name";

/** Values go in, encrypted before anything else happens to them, and come out in the environment of instances alone. */
export function secretRoutes(api: Api, ports: ApiPorts): void {
  readingRoutes(api, ports);
  const { clock } = ports;

  api.put(
    SECRET,
    {
      config: { action: "secrets.change" },
      bodyLimit: JSON_BODY_BYTES_MAX,
      schema: { params: SecretPath, body: PutSecret, response: { 200: SecretView } },
    },
    async (request, reply): Promise<SecretView> => {
      const { tenant, name } = request.params;
      const { value } = request.body;
      const keyEncryption = requireKey(ports);
      checkValue(value);
      const precondition = readPrecondition(request.headers);
      const committed = await commitChange(ports, async () => {
        const state = await fetchSecretState(ports, tenant, name);
        const lastKnown = lastKnownRevision(ports.replica, tenant, name);
        const identity = { tenant, name, revision: nextRevision(state, lastKnown) };
        const next: SecretRecord = {
          ...identity,
          ...(await sealSecret(value, identity, keyEncryption)),
          createdBy: callerOf(request).actor,
          createdAtMs: clock.wallMs(),
        };
        const isFull = state.revisions.length >= SECRET_REVISIONS_MAX;
        const uses = isFull ? await findSecretUses(ports, tenant, name, state.readAt) : new Map();
        const guard = state.name === undefined ? await guardNames(ports, tenant) : undefined;
        const forgotten = state.name === undefined ? makeRoom(ports, tenant) : undefined;
        const plan = planSecretChange(state, next, uses, precondition, forgotten);
        if (plan.kind === "changed-meanwhile")
          throw changedMeanwhile(`the secret ${name}`, plan.revision);
        if (plan.kind === "too-many-revisions") throw tooManyRevisions(name);
        const subject = `secrets/${tenant}/${name}`;
        return {
          transaction: {
            compares: [...plan.transaction.compares, ...(guard?.compares ?? [])],
            operations: [...plan.transaction.operations, ...(guard?.operations ?? [])],
          },
          change: changeBy(request, "secrets.change", tenant, subject, clock.wallMs(), {
            revision: next.revision,
          }),
          outcome: plan.record,
        };
      });
      await untilApplied(ports, committed.revision);
      reply.header("etag", etag(committed.revision));
      return view(committed.outcome);
    },
  );

  api.delete(
    SECRET,
    { config: { action: "secrets.change" }, schema: { params: SecretPath } },
    async (request, reply) => {
      const { tenant, name } = request.params;
      const precondition = readPrecondition(request.headers);
      const by = { actor: callerOf(request).actor, wallMs: clock.wallMs() };
      const { revision } = await commitChange(ports, async () => {
        const state = await fetchSecretState(ports, tenant, name);
        const uses = await findSecretUses(ports, tenant, name, state.readAt);
        const plan = planSecretRemoval(state, uses, precondition, by);
        if (plan.kind !== "remove") throw refuseRemoval(plan, `the secret ${name}`);
        const subject = `secrets/${tenant}/${name}`;
        return {
          transaction: plan.transaction,
          change: changeBy(request, "secrets.remove", tenant, subject, by.wallMs),
          outcome: undefined,
        };
      });
      await untilApplied(ports, revision);
      return reply.code(204).send();
    },
  );
}

function readingRoutes(api: Api, { replica }: ApiPorts): void {
  api.get(
    "/v1/tenants/:tenant/secrets",
    {
      config: { action: "secrets.read" },
      schema: { params: TenantPath, response: { 200: pageOf(SecretView) } },
    },
    async (request) => {
      // At most SECRETS_MAX of them.
      const names = replica.list(`${prefixes.secretNames}${request.params.tenant}/`);
      const present = readEach(names, readSecretName).filter(({ value }) => !value.isRemoved);
      return { items: present.map(({ value }) => view(value)), next: null };
    },
  );

  api.get(
    SECRET,
    {
      config: { action: "secrets.read" },
      schema: { params: SecretPath, response: { 200: SecretView } },
    },
    async (request, reply) => {
      const { tenant, name } = request.params;
      const held = readSecretName(replica.get(keys.secretName(tenant, name)));
      if (held === undefined || held.value.isRemoved)
        throw new MeridianError(
          "MERIDIAN_NOT_FOUND",
          `The tenant ${tenant} has no secret ${name}; PUT {value} makes it.`,
        );
      reply.header("etag", etag(held.modRevision));
      return view(held.value);
    },
  );
}

const view = ({ name, latestRevision, changedBy, changedAtMs }: SecretNameRecord): SecretView => ({
  name,
  revision: latestRevision,
  changedBy,
  changedAtMs,
});

/** Says what is wrong with a value without a character of it. */
function checkValue(value: string): void {
  const bytes = Buffer.byteLength(value, "utf8");
  if (bytes > SECRET_BYTES_MAX || !value.isWellFormed() || value.includes("\0"))
    throw new MeridianError(
      "MERIDIAN_BAD_REQUEST",
      `A secret's value is text without NUL characters, of at most ${SECRET_BYTES_MAX} bytes as UTF-8; this one has ${bytes}.`,
    );
}

/** Only from half of the limit on: so many are not made at the same moment, and until then nobody need wait for anybody. */
const guardNames = async (ports: ApiPorts, tenant: string): Promise<Transaction | undefined> =>
  ports.replica.count(`${prefixes.secretNames}${tenant}/`) < SECRETS_MAX / 2
    ? undefined
    : guardCount(ports, tenant);

/** The key of a removed name that is forgotten for the new one; MERIDIAN_LIMIT_REACHED where all names are in use. */
function makeRoom({ replica }: ApiPorts, tenant: string): string | undefined {
  const prefix = `${prefixes.secretNames}${tenant}/`;
  if (replica.count(prefix) < SECRETS_MAX) return undefined;
  const removed = readEach(replica.list(prefix), readSecretName)
    .filter(({ value }) => value.isRemoved)
    .toSorted((one, other) => one.modRevision - other.modRevision)[0];
  if (removed !== undefined) return keys.secretName(tenant, removed.value.name);
  throw new MeridianError(
    "MERIDIAN_LIMIT_REACHED",
    `The tenant ${tenant} has ${SECRETS_MAX} secrets, as many as it may; remove some that no version needs.`,
  );
}

const tooManyRevisions = (name: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_LIMIT_REACHED",
    `The secret ${name} has ${SECRET_REVISIONS_MAX} revisions, and kept versions need all of them; delete versions that are not called any more.`,
  );
