import { execFile } from "node:child_process";
import { access, constants, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const ENGINES_FOLDER = resolve(import.meta.dirname, "../../.engines/bin");

/** Where an engine was found, or why it cannot be used and which command would change that. */
export type FoundEngine =
  | { readonly kind: "found"; readonly path: string; readonly version: string }
  | { readonly kind: "missing"; readonly reason: string };

interface EngineLookup {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const HERE: EngineLookup = { folder: ENGINES_FOLDER, environment: process.env };

type EtcdProgram = "etcd" | "etcdctl" | "etcdutl";

/**
 * One of etcd's programs at the pinned version: `MERIDIAN_ETCD` and its like name one, else `.engines/bin` holds it. Never
 * from PATH, where a distribution's old etcd may be. With MERIDIAN_ENGINES=required a missing engine throws.
 */
export async function findEtcd(
  program: EtcdProgram,
  { folder, environment }: EngineLookup = HERE,
): Promise<FoundEngine> {
  const found = await lookUp(program, folder, environment);
  if (found.kind === "missing" && environment["MERIDIAN_ENGINES"] === "required")
    throw new Error(`MERIDIAN_ENGINES=required, and ${found.reason}`);
  return found;
}

async function lookUp(
  program: EtcdProgram,
  folder: string,
  environment: EngineLookup["environment"],
): Promise<FoundEngine> {
  const variable = `MERIDIAN_${program.toUpperCase()}`;
  const path = environment[variable] ?? join(folder, program);
  const isThere = await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!isThere) return missing(`${program} is not there; build it with \`npm run engines\``);

  const pinned = await pinnedEtcdVersion();
  const version = await versionOf(program, path);
  return version === pinned
    ? { kind: "found", path, version }
    : missing(`${program} is ${version}, not ${pinned}; build it with \`npm run engines\``);
}

const missing = (reason: string): FoundEngine => ({ kind: "missing", reason });

async function pinnedEtcdVersion(): Promise<string> {
  const goModule = await readFile(join(import.meta.dirname, "etcd/go.mod"), "utf8");
  const version = /go\.etcd\.io\/etcd\/server\/v3 v(\S+)/.exec(goModule)?.[1];
  if (version === undefined) throw new Error("test/engines/etcd/go.mod does not pin etcd");
  return version;
}

async function versionOf(program: EtcdProgram, path: string): Promise<string> {
  const argument = program === "etcd" ? "--version" : "version";
  const printed = await promisify(execFile)(path, [argument], { timeout: 10_000 }).then(
    ({ stdout }) => stdout,
    () => "",
  );
  return /version: (\S+)/i.exec(printed)?.[1] ?? "of an unknown version";
}
