import { strict as assert } from "node:assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Etcd3 } from "etcd3";
import { etcdMaintenance } from "#lib/io/etcd/etcd-maintenance.ts";
import { systemClock } from "#lib/io/system-clock.ts";
import { type EtcdMember, etcdMember, freeLoopbackUrl } from "./etcd-member.ts";

const NAMES = ["one", "two", "three"];
const LEADER_TIMEOUT_MS = 30_000;

/** Three members on this machine; ended and removed with the test. */
export interface EtcdCluster {
  readonly endpoints: readonly string[];
  readonly members: readonly EtcdMember[];
  /** Waits until one of those that answer leads. */
  readonly leader: () => Promise<EtcdMember>;
  /** As an operator replaces a machine: out of the cluster, its disk emptied, and in again as a new member. */
  readonly replaceDisk: (member: EtcdMember) => Promise<void>;
}

export async function startEtcdCluster(
  t: { readonly after: (end: () => Promise<void>) => void },
  program: string,
  flags: readonly string[] = [],
): Promise<EtcdCluster> {
  const folder = await mkdtemp(join(tmpdir(), "meridian-etcd-"));
  const places = await Promise.all(
    NAMES.map(async (name) => ({
      name,
      clientUrl: await freeLoopbackUrl(),
      peerUrl: await freeLoopbackUrl(),
      dataFolder: join(folder, name),
    })),
  );
  const initialCluster = places.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
  const members = places.map((place) => etcdMember({ ...place, program, initialCluster, flags }));
  const endpoints = places.map(({ clientUrl }) => clientUrl);
  t.after(async () => {
    await Promise.all(members.map(({ kill }) => kill()));
    await rm(folder, { recursive: true, force: true });
  });
  await Promise.all(members.map(({ start }) => start()));
  await Promise.all(members.map(({ ready }) => ready()));

  return {
    endpoints,
    members,
    leader: async () => {
      const maintenance = etcdMaintenance({ endpoints }, systemClock);
      for (let endsAtMs = performance.now() + LEADER_TIMEOUT_MS; ; await delay(50)) {
        const seen = await maintenance.members();
        const leading = seen.findIndex((member) => member.kind === "answered" && member.isLeader);
        if (leading >= 0 && members[leading] !== undefined) return members[leading];
        assert(performance.now() < endsAtMs, "no member leads");
      }
    },
    replaceDisk: async (member) => {
      const place = places[members.indexOf(member)];
      assert(place !== undefined, "the member is one of these");
      await member.kill();
      const others = endpoints.filter((endpoint) => endpoint !== place.clientUrl);
      const client = new Etcd3({ hosts: others });
      try {
        await untilTaken(async () => {
          const known = (await client.cluster.memberList({ linearizable: true })).members;
          const old = known.find(({ name }) => name === place.name);
          if (old !== undefined) await client.cluster.memberRemove({ ID: old.ID });
        });
        await member.wipe();
        await untilTaken(async () => {
          const known = (await client.cluster.memberList({ linearizable: true })).members;
          if (known.some(({ peerURLs }) => peerURLs.includes(place.peerUrl))) return;
          await client.cluster.memberAdd({ peerURLs: [place.peerUrl] });
        });
      } finally {
        client.close();
      }
      await member.start("existing");
      await member.ready();
    },
  };
}

/** A cluster refuses to change its members until the ones it has were seen well for some seconds. */
async function untilTaken(change: () => Promise<void>): Promise<void> {
  for (let endsAtMs = performance.now() + LEADER_TIMEOUT_MS; ; await delay(500))
    try {
      return await change();
    } catch (error) {
      if (performance.now() > endsAtMs) throw error;
    }
}
