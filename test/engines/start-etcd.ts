import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { etcdMember, freeLoopbackUrl } from "./etcd-member.ts";

export interface RunningEtcd {
  readonly endpoint: string;
  readonly pid: number;
  /** Removed when it stops. */
  readonly folder: string;
  readonly stop: () => Promise<void>;
}

/** One etcd member on free loopback ports, its records in a temporary folder. */
export async function startEtcd(
  program: string,
  flags: readonly string[] = [],
): Promise<RunningEtcd> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-etcd-"));
  const [clientUrl, peerUrl] = await Promise.all([freeLoopbackUrl(), freeLoopbackUrl()]);
  const member = etcdMember({
    program,
    name: "one",
    clientUrl,
    peerUrl,
    dataFolder: join(folder, "member"),
    initialCluster: `one=${peerUrl}`,
    flags,
  });
  const stop = async (): Promise<void> => {
    await member.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await member.start();
    await member.ready();
  } catch (cause) {
    await stop();
    throw cause;
  }
  return { endpoint: clientUrl, pid: member.pid(), folder, stop };
}
