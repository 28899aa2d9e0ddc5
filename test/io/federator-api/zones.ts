import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { apiKeyPrefix, hashApiKey, newApiKey } from "#lib/api-key.ts";
import type { ZoneStatus } from "#lib/contracts/api-status.ts";
import type { Role } from "#lib/contracts/catalog-records.ts";
import { INVOCATION_HEADERS } from "#lib/contracts/invocation.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { internalClient } from "#lib/io/internal-client.ts";
import { ensureKeyFile, openKeyFile } from "#lib/io/key-file.ts";
import { createMemoryCatalog } from "#lib/io/memory-catalog.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { newKeyOperation, newTenantTransaction } from "#lib/new-tenant.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { CodeStore } from "#lib/ports/code-store.ts";
import type { KeyEncryption } from "#lib/ports/key-encryption.ts";
import { registerApi } from "../../../federator/io/api/api.ts";
import { federatorHttp } from "../../../federator/io/api/federator-http.ts";
import { type Audit, openAudit } from "../../../federator/io/audit/audit.ts";
import { codeReceipt } from "../../../federator/io/code/code-receipt.ts";
import { type CodeStoreGround, openCodeStore } from "../../../federator/io/code/open-code-store.ts";
import type { Federation } from "../../../federator/ports.ts";
import { digestOf, zipOf } from "./archives.ts";
import { followCatalog } from "./follow-catalog.ts";

const zone = (name: string, jurisdiction: string): Zone => ({
  name,
  region: name,
  jurisdiction,
  clusterId: `${name}-1`,
  latitudeDegrees: 0,
  longitudeDegrees: 0,
});
export const ZONES = [zone("eu-west", "eu"), zone("us-east", "us"), zone("ap-south", "in")];
export const BOOT_TOKEN = "a-boot-token";
const SILENT = pino({ level: "silent" });

export interface TestZone {
  readonly name: string;
  readonly url: string;
  readonly audit: Audit;
  readonly codeDirectory: string;
  readonly stop: () => Promise<void>;
}

export interface TestFederation {
  readonly catalog: Catalog;
  readonly zones: readonly TestZone[];
  readonly keys: { readonly operator: string; readonly demo: string; readonly acme: string };
  readonly newKey: (tenant: string | null, roles: readonly Role[]) => Promise<string>;
  readonly stop: () => Promise<void>;
}

type OpenCodeStore = (ground: CodeStoreGround) => Promise<CodeStore>;
const openDirectory: OpenCodeStore = (ground) => openCodeStore({ kind: "directory" }, ground);

/** Federator APIs with real listeners, stores and audits over one catalog in memory; only what they stand on is simple. */
export async function startZones(
  names: readonly string[],
  openStore: OpenCodeStore = openDirectory,
): Promise<TestFederation> {
  const directory = await mkdtemp(join(tmpdir(), "meridian-api-"));
  const catalog = createMemoryCatalog({ clock: systemClock });
  const urls = new Map<string, string>();
  const zones: TestZone[] = [];
  const newKey = async (tenant: string | null, roles: readonly Role[]): Promise<string> => {
    const apiKey = newApiKey(tenant ?? "operator");
    const key = { keyHash: hashApiKey(apiKey), prefix: apiKeyPrefix(apiKey) };
    await catalog.txn({ compares: [], operations: [newKeyOperation(key, tenant, roles, 1)] });
    return apiKey;
  };
  const newTenant = async (tenant: string): Promise<string> => {
    const apiKey = newApiKey(tenant);
    const key = { keyHash: hashApiKey(apiKey), prefix: apiKeyPrefix(apiKey) };
    const zoneNames = ZONES.map(({ name }) => name);
    await catalog.txn(newTenantTransaction(tenant, key, zoneNames, 1));
    return apiKey;
  };
  const keys = {
    demo: await newTenant("demo"),
    acme: await newTenant("acme"),
    operator: await newKey(null, ["operator", "approver", "drill-runner"]),
  };
  for (const name of names) zones.push(await startZone(name, directory, catalog, urls, openStore));
  return {
    catalog,
    zones,
    keys,
    newKey,
    stop: async () => {
      for (const one of zones) await one.stop();
      await catalog.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function startZone(
  name: string,
  directory: string,
  catalog: Catalog,
  urls: Map<string, string>,
  openStore: OpenCodeStore,
): Promise<TestZone> {
  const stateDirectory = join(directory, name);
  const codeDirectory = join(directory, name, "code");
  const { replica, stop: stopReplica } = await followCatalog(catalog);
  const audit = await openAudit({
    directory: stateDirectory,
    catalog,
    clock: systemClock,
    log: SILENT,
  });
  const client = internalClient(BOOT_TOKEN);
  const app = federatorHttp(SILENT);
  await registerApi(app, {
    catalog,
    replica,
    federation: testFederation(name, urls),
    codeStore: await openStore({ zone: name, codeDirectory, clock: systemClock, log: SILENT }),
    mayCollectCode: () => true,
    keyEncryption: await keyEncryptionIn(directory),
    audit,
    client,
    clock: systemClock,
    log: SILENT,
    zones: ZONES,
    zone: name,
    bootToken: BOOT_TOKEN,
  });
  app.get("/internal/zone-status", () => zoneStatus(name));
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  urls.set(name, url);
  let stopping: Promise<void> | undefined;
  const close = async () => {
    urls.delete(name);
    await app.close();
    await audit.close();
    await client.close();
    await stopReplica();
  };
  return { name, url, audit, codeDirectory, stop: () => (stopping ??= close()) };
}

function testFederation(name: string, urls: Map<string, string>): Federation {
  return {
    waitFor: async () => ({ ready: [`${name}.gateway`], waiting: [] }),
    leader: () => "eu-west",
    sightOf: () => "up",
    zoneStatus: () => zoneStatus(name),
    peers: async () => new Map([...urls].filter(([zone]) => zone !== name)),
    agents: async () => new Map(),
  };
}

async function keyEncryptionIn(directory: string): Promise<KeyEncryption> {
  const path = join(directory, "key-encryption-key");
  await ensureKeyFile(path);
  return openKeyFile(path);
}

const zoneStatus = (name: string): ZoneStatus => ({
  zone: name,
  region: name,
  clusterId: `${name}-1`,
  isReachable: true,
  cluster: null,
  position: null,
  replicaAgeMs: 0,
  receivers: [],
  instances: ["demo", "acme"].map((tenant) => ({
    tenant,
    functionName: "hello",
    version: 1,
    starting: 0,
    idle: 1,
    busy: 0,
    queued: 0,
  })),
});

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // What an API answers is JSON of a shape that each test knows.
  readonly body: Record<string, unknown>;
}

/** Calls a zone's API; `key` null sends none. */
export async function call(
  zone: TestZone,
  key: string | null,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const isArchive = body instanceof Uint8Array;
  const response = await fetch(zone.url + path, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined
        ? {}
        : { "content-type": isArchive ? "application/zip" : "application/json" }),
      "x-request-id": randomUUID(),
      ...headers,
    },
    ...(body === undefined
      ? {}
      : { body: isArchive ? new Uint8Array(body) : JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === "" ? {} : JSON.parse(text),
  };
}

export interface ZoneWithCode {
  readonly federation: TestFederation;
  /** The first. */
  readonly zone: TestZone;
  /** Of a function's archive, uploaded by the tenant demo. */
  readonly codeDigest: string;
  readonly archive: Buffer;
}

/** What most tests of functions begin with. */
export async function startWithCode(names: readonly string[]): Promise<ZoneWithCode> {
  const federation = await startZones(names);
  const [zone] = federation.zones;
  assert.ok(zone !== undefined);
  const archive = zipOf([{ name: "index.mjs", content: "export const handler = () => 1;" }]);
  const codeDigest = digestOf(archive);
  await call(zone, federation.keys.demo, "PUT", `/v1/tenants/demo/code/${codeDigest}`, archive);
  return { federation, zone, codeDigest, archive };
}

/** What the upload of the archive answers, wherever it was uploaded. */
export const receiptOf = (digest: string, tenant = "demo"): string =>
  codeReceipt(BOOT_TOKEN, tenant, digest);

export const bootTokenHeader = { [INVOCATION_HEADERS.bootToken]: BOOT_TOKEN };

export function assertProblem(answer: Answer, status: number, code: string, detail?: RegExp): void {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/);
  assert.equal(answer.body.code, code);
  assert.equal(answer.body.requestId, answer.headers.get("x-request-id"));
  if (detail !== undefined) assert.match(String(answer.body.detail), detail);
}
