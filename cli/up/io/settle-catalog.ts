import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { CatalogConfig, type EtcdCatalogConfig } from "#lib/contracts/catalog-config.ts";
import { freePorts } from "#lib/io/free-ports.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { UsageError } from "../../failures.ts";
import { type CatalogPlan, memberZones } from "../core/plan-catalog.ts";
import { hasServedFile, memberDirectory } from "../core/plan-programs.ts";
import { findEtcdProgram } from "./find-etcd.ts";
import { catalogChoiceFile, catalogFile } from "./kept-state.ts";
import { findTakenPort, holderOfPort } from "./listening-ports.ts";

/** What the command line asks for; `kept` takes what the state folder has. */
export type CatalogWish =
  | { readonly kind: "kept" }
  | { readonly kind: "embedded" }
  | { readonly kind: "members" }
  | { readonly kind: "endpoints"; readonly config: EtcdCatalogConfig };

export interface SettledCatalog {
  readonly plan: CatalogPlan;
  /** Nothing was ever kept in this state folder. */
  readonly isNew: boolean;
}

const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
/** `DIR/catalog/choice.json`: where this state folder's catalog is, for every later start. */
const KeptChoice = Type.Union([
  Type.Object({ kind: Type.Literal("embedded") }),
  Type.Object({
    kind: Type.Literal("members"),
    clusterToken: Type.String({ minLength: 1 }),
    members: Type.Array(Type.Object({ zone: Type.String(), clientPort: Port, peerPort: Port }), {
      minItems: 1,
    }),
  }),
  Type.Object({ kind: Type.Literal("endpoints"), config: CatalogConfig }),
]);
type KeptChoice = Static<typeof KeptChoice>;

export interface CatalogSurroundings {
  readonly stateDirectory: string;
  readonly zones: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** Begin anew where every copy of the catalog's own is gone. */
  readonly acceptsLoss: boolean;
}

/** Decides once where a state folder's catalog is, and holds every later start to it. */
export async function settleCatalog(
  wish: CatalogWish,
  surroundings: CatalogSurroundings,
): Promise<SettledCatalog> {
  const { stateDirectory } = surroundings;
  const kept = await readChoice(stateDirectory);
  if (kept !== undefined && wish.kind !== "kept" && wish.kind !== kept.kind)
    throw new UsageError(
      `the catalog of ${stateDirectory} is ${WORDS[kept.kind]}, not ${WORDS[wish.kind]}: leave --catalog out, or name another folder with --state`,
    );
  const isNew = kept === undefined;
  const kind = wish.kind === "kept" ? (kept?.kind ?? "embedded") : wish.kind;
  switch (kind) {
    case "embedded":
      await keepChoice(stateDirectory, { kind });
      return { plan: { kind }, isNew };
    case "members": {
      const choice = kept?.kind === kind ? kept : await newMembers(surroundings);
      return { plan: await settleMembers(choice, surroundings), isNew };
    }
    case "endpoints": {
      const config = wish.kind === kind ? wish.config : kept?.kind === kind ? kept.config : null;
      if (config?.kind !== "etcd") throw new UsageError("--catalog-endpoints names no etcd");
      await keepChoice(stateDirectory, { kind, config });
      return { plan: { kind, config }, isNew };
    }
  }
}

const WORDS = {
  embedded: "embedded",
  members: "an etcd of its own (--catalog etcd)",
  endpoints: "an etcd of yours (--catalog-endpoints)",
} as const;

type KeptMembers = Extract<KeptChoice, { kind: "members" }>;

async function newMembers({ zones }: CatalogSurroundings): Promise<KeptMembers> {
  const holders = memberZones(zones);
  const firstPort = await freePorts(holders.length * 2);
  return {
    kind: "members",
    clusterToken: randomBytes(8).toString("hex"),
    members: holders.map((zone, index) => ({
      zone,
      clientPort: firstPort + index * 2,
      peerPort: firstPort + index * 2 + 1,
    })),
  };
}

async function settleMembers(
  choice: KeptMembers,
  { stateDirectory, zones, environment, acceptsLoss }: CatalogSurroundings,
): Promise<CatalogPlan> {
  const etcd = await findEtcdProgram(environment);
  const homeless = choice.members.find(({ zone }) => !zones.includes(zone));
  if (homeless !== undefined)
    throw new UsageError(
      `the catalog's etcd has a member in ${homeless.zone}, which is not among --zones ${zones.join(",")}: keep that zone (docs/operations.md tells how a member moves)`,
    );
  await refuseTakenPort(choice);
  const token = await tokenUnlessLost(choice, stateDirectory, acceptsLoss);
  const kept = { ...choice, clusterToken: token };
  await keepChoice(stateDirectory, kept);

  const passwordFile = join(stateDirectory, "catalog", "etcd-password");
  if (!existsSync(passwordFile))
    await writeFile(passwordFile, randomBytes(24).toString("base64url"), { mode: 0o600 });
  return { ...kept, etcd, passwordFile };
}

async function refuseTakenPort({ members }: KeptMembers): Promise<void> {
  const ports = members.flatMap(({ clientPort, peerPort }) => [clientPort, peerPort]);
  const taken = await findTakenPort(ports);
  if (taken === undefined) return;
  const holder = holderOfPort(taken);
  throw new UsageError(
    `port ${taken}, which the catalog's etcd has had since its first start, is in use${holder === undefined ? "" : ` by ${holder}`}: end that first`,
  );
}

/** Members that all lost their data have nobody to join again: that is a new, empty cluster, and only if somebody says so. */
async function tokenUnlessLost(
  { members, clusterToken }: KeptMembers,
  stateDirectory: string,
  acceptsLoss: boolean,
): Promise<string> {
  const served = members.filter(({ zone }) => existsSync(hasServedFile(stateDirectory, zone)));
  const isLost =
    served.length > 0 &&
    members.every(({ zone }) => !existsSync(join(memberDirectory(stateDirectory, zone), "member")));
  if (!isLost) return clusterToken;
  if (!acceptsLoss)
    throw new UsageError(
      `every member of the catalog's etcd lost its data: restore a backup (docs/operations.md), or start with --accept-catalog-loss to begin with an empty catalog`,
    );
  await rm(dirname(hasServedFile(stateDirectory, "any")), { recursive: true, force: true });
  return randomBytes(8).toString("hex");
}

async function keepChoice(stateDirectory: string, choice: KeptChoice): Promise<void> {
  await mkdir(join(stateDirectory, "catalog"), { recursive: true, mode: 0o700 });
  await writeAtomically(
    catalogChoiceFile(stateDirectory),
    `${JSON.stringify(choice, undefined, 2)}\n`,
  );
}

/** A folder from before there was a choice is embedded. */
async function readChoice(stateDirectory: string): Promise<KeptChoice | undefined> {
  const file = catalogChoiceFile(stateDirectory);
  if (!existsSync(file))
    return existsSync(catalogFile(stateDirectory)) ? { kind: "embedded" } : undefined;
  try {
    return Value.Parse(KeptChoice, JSON.parse(await readFile(file, "utf8")));
  } catch (cause) {
    throw new UsageError(
      `${file} cannot be read: put it back from a backup, since it says where the catalog of this folder is (${String(cause)})`,
    );
  }
}
