import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { findEngine } from "../find-engine.ts";
import { SYSTEM_PATH } from "../../../image/run-command.ts";

const BUILT = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kube-proxy",
  "kubectl",
  "pause",
] as const;
const INSTALLED = ["ip", "nft", "nsenter", "openssl", "containerd", "ctr", "runc", "buildah"];

export const ROOT_ALONE =
  "clusters are made and taken down by root of a Linux machine alone, as with `sudo npm run clusters -- up`";
export const isRootOfLinux = (): boolean =>
  process.platform === "linux" && process.getuid?.() === 0;

/** Where each program is that was built for the clusters. */
export type ClusterParts = Readonly<Record<(typeof BUILT)[number], string>>;

export type FoundParts =
  | { readonly kind: "found"; readonly parts: ClusterParts }
  | { readonly kind: "missing"; readonly reason: string };

/** All that clusters need of this machine, or what is missing and the command that would change that. */
export async function findParts(): Promise<FoundParts> {
  if (!isRootOfLinux()) return missing(ROOT_ALONE);
  for (const program of INSTALLED)
    if (!(await isInstalled(program)))
      return missing(
        `${program} is not installed; \`npm run engines -- kubernetes\` does it with apt`,
      );
  const found = await Promise.all(BUILT.map((program) => findEngine(program)));
  const paths: Partial<Record<keyof ClusterParts, string>> = {};
  for (const [position, program] of BUILT.entries()) {
    const engine = found[position];
    if (engine?.kind !== "found") return missing(engine?.reason ?? program);
    paths[program] = engine.path;
  }
  return { kind: "found", parts: paths as ClusterParts };
}

const missing = (reason: string): FoundParts => ({ kind: "missing", reason });

async function isInstalled(program: string): Promise<boolean> {
  const tries = SYSTEM_PATH.map((folder) => access(join(folder, program), constants.X_OK));
  return (await Promise.allSettled(tries)).some(({ status }) => status === "fulfilled");
}
