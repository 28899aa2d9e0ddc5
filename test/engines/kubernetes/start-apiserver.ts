import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "#lib/io/free-ports.ts";
import { type RunningEngine, runEngine } from "../run-engine.ts";
import { startEtcd } from "../start-etcd.ts";
import { isApiserverReady } from "./ask-apiserver.ts";
import { type AdminAccess, kubeconfig, makeCertificates } from "./make-certificates.ts";
import { apiserverArguments, schedulerArguments } from "./program-arguments.ts";

export interface RunningApiserver {
  readonly access: AdminAccess;
  /** The file's path. */
  readonly kubeconfig: string;
  /** What it is done to alone: its etcd goes on. */
  readonly apiserver: Pick<RunningEngine, "signal" | "restart">;
  readonly stop: () => Promise<void>;
}

/**
 * An apiserver with an etcd of its own on loopback: for tests of what is asked of the API, as no controller, scheduler or node is
 * there. Permissions count; pods need no service account.
 */
export async function startApiserver(programs: {
  readonly etcd: string;
  readonly "kube-apiserver": string;
}): Promise<RunningApiserver> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-apiserver-"));
  const etcd = await startEtcd(programs.etcd);
  const stopEtcd = async (): Promise<void> => {
    await etcd.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const port = await freePorts(1);
    const certificates = join(folder, "certificates");
    const endpoint = `https://127.0.0.1:${port}`;
    const access = await makeCertificates(certificates, ["127.0.0.1"], endpoint);
    const file = join(folder, "kubeconfig");
    await writeFile(file, kubeconfig(access, "test"), { mode: 0o600 });
    const argv = apiserverArguments({
      certificates,
      etcdPort: Number(new URL(etcd.endpoint).port),
      port,
      address: "127.0.0.1",
      serviceRange: "10.96.0.0/16",
    });
    // No controller is there that would make service accounts, or take the taint from a node that has become ready.
    const refusals = "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition";
    const alone = [refusals, "--endpoint-reconciler-type=none"];
    const apiserver = await runEngine({
      program: programs["kube-apiserver"],
      argv: () => [...argv, ...alone],
      isReady: () => isApiserverReady(access),
    });
    const stop = async (): Promise<void> => {
      // One that is asked to end waits for its callers, and hangs where its etcd went first.
      apiserver.signal("SIGKILL");
      await apiserver.stop();
      await stopEtcd();
    };
    return { access, kubeconfig: file, apiserver, stop };
  } catch (cause) {
    await stopEtcd();
    throw cause;
  }
}

/** Gives pods their nodes, where tests have some that kwok plays. */
export async function startScheduler(program: string, kubeconfig: string): Promise<RunningEngine> {
  const port = await freePorts(1);
  return runEngine({
    program,
    argv: () => schedulerArguments(kubeconfig, port),
    isReady: async (signal) => {
      const socket = connect({ port, host: "127.0.0.1", signal });
      await once(socket, "connect");
      socket.destroy();
      return true;
    },
  });
}
