import { execFile } from "node:child_process";
import { access, constants, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const ENGINES_FOLDER = resolve(import.meta.dirname, "../../.engines/bin");

interface Engine {
  /** The arguments that make it print its version, and where in what it prints the version is. */
  readonly ask: string;
  readonly says: RegExp;
  /** `FOLDER/go.mod` beside this file requires the module at the version that tests run against. */
  readonly pinnedIn: string;
  readonly module: string;
  /** What `npm run engines` has to be told; without one it builds this by itself. */
  readonly set?: string;
}

/** What `npm run engines` builds. A variable named after the program, `MERIDIAN_ETCD` for etcd, names one elsewhere. */
const ENGINES = {
  etcd: etcdProgram("--version", "server"),
  etcdctl: etcdProgram("version", "etcdctl"),
  etcdutl: etcdProgram("version", "etcdutl"),
  versitygw: {
    ask: "--version",
    says: /^Version *: v(\S+)/m,
    pinnedIn: "versitygw",
    module: "github.com/versity/versitygw",
  },
  consul: {
    ask: "version",
    says: /^Consul v(\S+)/m,
    pinnedIn: "consul",
    module: "github.com/hashicorp/consul",
  },
  "kube-apiserver": kubernetesProgram("--version"),
  "kube-controller-manager": kubernetesProgram("--version"),
  "kube-scheduler": kubernetesProgram("--version"),
  kubelet: kubernetesProgram("--version"),
  "kube-proxy": kubernetesProgram("--version"),
  kubectl: kubernetesProgram("version --client"),
  pause: kubernetesProgram("--version"),
  kwok: inKubernetesSet("--version", "kwok", "sigs.k8s.io/kwok"),
  helm: inKubernetesSet("version --short", "helm", "helm.sh/helm/v4"),
  kubeconform: inKubernetesSet("-v", "kubeconform", "github.com/yannh/kubeconform"),
} as const satisfies Record<string, Engine>;

function etcdProgram(ask: string, part: string): Engine {
  const module = `go.etcd.io/etcd/${part}/v3`;
  return { ask, says: /version: (\S+)/i, pinnedIn: "etcd", module };
}

function kubernetesProgram(ask: string): Engine {
  return inKubernetesSet(ask, "kubernetes", "k8s.io/kubernetes");
}

function inKubernetesSet(ask: string, pinnedIn: string, module: string): Engine {
  return { ask, says: /\bv?(\d+\.\d+\.\d+)/, pinnedIn, module, set: "kubernetes" };
}

/** Where an engine was found, or why it cannot be used and which command would change that. */
export type FoundEngine =
  | { readonly kind: "found"; readonly path: string; readonly version: string }
  | { readonly kind: "missing"; readonly reason: string };

interface EngineLookup {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const HERE: EngineLookup = { folder: ENGINES_FOLDER, environment: process.env };

/**
 * An engine at the pinned version: its variable names one, else `.engines/bin` holds it. Never from PATH, where a
 * distribution's old one may be. With MERIDIAN_ENGINES=required a missing engine throws.
 */
export async function findEngine(
  program: keyof typeof ENGINES,
  { folder, environment }: EngineLookup = HERE,
): Promise<FoundEngine> {
  const path =
    environment[`MERIDIAN_${program.toUpperCase().replaceAll("-", "_")}`] ?? join(folder, program);
  const found = await lookUp(program, ENGINES[program], path);
  if (found.kind === "missing" && environment["MERIDIAN_ENGINES"] === "required")
    throw new Error(`MERIDIAN_ENGINES=required, and ${found.reason}`);
  return found;
}

async function lookUp(program: string, engine: Engine, path: string): Promise<FoundEngine> {
  const isThere = await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
  const command = engine.set === undefined ? "" : ` -- ${engine.set}`;
  const advice = `build it with \`npm run engines${command}\``;
  if (!isThere) return missing(`${program} is not there; ${advice}`);

  const pinned = await pinnedVersion(engine);
  const version = await versionOf(engine, path);
  return version === pinned
    ? { kind: "found", path, version }
    : missing(`${program} is ${version}, not ${pinned}; ${advice}`);
}

const missing = (reason: string): FoundEngine => ({ kind: "missing", reason });

async function pinnedVersion({ pinnedIn, module }: Engine): Promise<string> {
  const text = await readFile(join(import.meta.dirname, pinnedIn, "go.mod"), "utf8");
  for (const line of text.split("\n")) {
    const [name, version] = line
      .trim()
      .replace(/^require /, "")
      .split(" ");
    if (name === module && version !== undefined) return version.replace(/^v/, "");
  }
  throw new Error(`test/engines/${pinnedIn}/go.mod does not pin ${module}`);
}

async function versionOf({ ask, says }: Engine, path: string): Promise<string> {
  const printed = await promisify(execFile)(path, ask.split(" "), { timeout: 10_000 }).then(
    ({ stdout }) => stdout,
    () => "",
  );
  return says.exec(printed)?.[1] ?? "of an unknown version";
}
