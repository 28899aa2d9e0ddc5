import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Logger } from "pino";
import { metricsRegistry, startAdminServer } from "#lib/io/admin-server.ts";
import { publishEndpoint } from "#lib/io/run-directory.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import type { RunningProgram } from "#lib/run-program.ts";
import type { EtcdMemberConfig } from "./config.ts";
import { ensurePassword, rejoin } from "./etcd-api.ts";
import { endLeftover, type EtcdProcess, startEtcdProcess } from "./etcd-process.ts";

const POLL_MS = 50;
/** Without a quorum the member lives and cannot lock its door; it goes on trying beside its work. */
const LOCK_WAIT_MS = 10_000;
const LOCK_RETRY_MS = 500;

/**
 * One member of the catalog's etcd, in the zone that it dies and freezes with. This process only starts, watches and ends it; who
 * needs the catalog talks to etcd itself.
 */
export async function startMember(
  config: EtcdMemberConfig,
  log: Logger,
  onPid: (pid: number) => void,
): Promise<RunningProgram> {
  const { zone, dataDirectory, hasServedFile } = config;
  const own = memberOf(config, zone);
  const clientUrl = loopback(own.clientPort);
  const password = (await readFile(config.passwordFile, "utf8")).trim();
  await mkdir(dirname(dataDirectory), { recursive: true, mode: 0o700 });
  await endLeftover(dataDirectory);

  const isWiped = existsSync(hasServedFile) && !existsSync(join(dataDirectory, "member"));
  const initialCluster = isWiped
    ? await rejoinThroughOthers(config, password, log)
    : config.members.map((member) => `${member.zone}=${loopback(member.peerPort)}`).join(",");
  const etcd = await startEtcdProcess(etcdFlags(config, initialCluster, isWiped), config, log);
  onPid(etcd.pid);

  const stopping = new AbortController();
  const living = (): AbortSignal => AbortSignal.any([stopping.signal, etcd.gone]);
  try {
    await until(living(), () => answersAt(`${clientUrl}/livez`));
    await mkdir(dirname(hasServedFile), { recursive: true, mode: 0o700 });
    await writeAtomically(hasServedFile, "");
    const locking = keepLocking(clientUrl, password, log, living());
    await Promise.race([locking, systemClock.sleep(LOCK_WAIT_MS, living())]);
  } catch (error) {
    await etcd.stop();
    throw error;
  }
  const admin = await startAdminServer(metricsRegistry("catalog", zone), () => null);
  await publishEndpoint(config.runDirectory, {
    program: "catalog",
    zone,
    pid: process.pid,
    bootId: randomUUID(),
    urls: { internal: clientUrl, admin: admin.url },
  });
  endWith(etcd, stopping.signal, log);
  return {
    stop: async () => {
      stopping.abort();
      await etcd.stop();
      await admin.close();
    },
  };
}

const loopback = (port: number): string => `http://127.0.0.1:${port}`;

function memberOf(
  { members }: EtcdMemberConfig,
  zone: string,
): EtcdMemberConfig["members"][number] {
  const member = members.find((candidate) => candidate.zone === zone);
  if (member === undefined) throw new Error(`${zone} has no member`);
  return member;
}

function etcdFlags(config: EtcdMemberConfig, initialCluster: string, isWiped: boolean): string[] {
  const { zone, clusterToken, dataDirectory, databaseBytesMax } = config;
  const own = memberOf(config, zone);
  const clientUrl = loopback(own.clientPort);
  const peerUrl = loopback(own.peerPort);
  return [
    ["--name", zone],
    ["--data-dir", dataDirectory],
    ["--listen-client-urls", clientUrl],
    ["--advertise-client-urls", clientUrl],
    ["--listen-peer-urls", peerUrl],
    ["--initial-advertise-peer-urls", peerUrl],
    ["--initial-cluster", initialCluster],
    ["--initial-cluster-state", isWiped ? "existing" : "new"],
    ["--initial-cluster-token", clusterToken],
    ["--quota-backend-bytes", String(databaseBytesMax)],
    ["--watch-progress-notify-interval", "5s"],
    // The password is 24 random bytes: hashing it slowly would only slow down each reconnection.
    ["--bcrypt-cost", "4"],
    ["--log-level", "warn"],
    ["--warning-apply-duration", "1s"],
    ["--warning-unary-request-duration", "1s"],
  ].flat();
}

/** Asks each of the others; that takes a quorum of them, and nothing else could make it safe. */
async function rejoinThroughOthers(
  config: EtcdMemberConfig,
  password: string,
  log: Logger,
): Promise<string> {
  const own = memberOf(config, config.zone);
  log.warn({ dataDirectory: config.dataDirectory }, "the member's data is gone: it joins anew");
  // What is left of it is worth nothing without the rest.
  await rm(config.dataDirectory, { recursive: true, force: true });
  const failures: unknown[] = [];
  for (const other of config.members) {
    if (other === own) continue;
    try {
      const via = loopback(other.clientPort);
      return await rejoin(via, password, config.zone, loopback(own.peerPort));
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, "no other member could let this one join again");
}

async function keepLocking(
  clientUrl: string,
  password: string,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      return await ensurePassword(clientUrl, password);
    } catch (error) {
      log.debug({ err: error }, "the member cannot be given its password yet");
      await systemClock.sleep(LOCK_RETRY_MS, signal).catch(() => undefined);
    }
  }
}

/** An etcd that ends unasked takes this process along, so that the supervisor starts both again. */
function endWith(etcd: EtcdProcess, stopping: AbortSignal, log: Logger): void {
  etcd.gone.addEventListener("abort", () => {
    if (stopping.aborted) return;
    log.fatal({ reason: String(etcd.gone.reason) }, "etcd ended");
    process.exit(1);
  });
}

async function until(signal: AbortSignal, holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await systemClock.sleep(POLL_MS, signal);
}

const answersAt = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
    ({ ok }) => ok,
    () => false,
  );
