import { Type } from "typebox";
import { Value } from "typebox/value";
import { Digest } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import type { StoredCode } from "#lib/ports/code-store.ts";
import { codeZonesMin } from "../core/check-manifest.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { ApiPorts } from "./api-context.ts";

/** A peer that does not say in this time whether it has the code counts as unreachable: it may be frozen. */
const ASK_TIMEOUT_MS = 1_000;
const TRANSFER_TIMEOUT_MS = 60_000;

/** What a federator answers when asked for the size alone. */
const FoundCode = Type.Object(
  { digest: Digest, bytes: Type.Integer() },
  { additionalProperties: false },
);

type CodePorts = Pick<ApiPorts, "codeStore" | "federation" | "client" | "log" | "zone">;

/** The code, from this zone's store or, where it lacks it, fetched from a peer into it. */
export async function obtainCode(ports: CodePorts, digest: string): Promise<StoredCode> {
  const held = await ports.codeStore.find(digest);
  if (held !== undefined) return held;
  for (const [zone, url] of await ports.federation.peers()) {
    try {
      const asked = await ask(ports, url, digest);
      if (asked !== undefined) return await fetchFrom(ports, url, digest);
    } catch (error) {
      ports.log.warn({ zone, digest, err: error }, "code could not be fetched from a peer");
    }
  }
  throw new MeridianError(
    "MERIDIAN_CODE_NOT_FOUND",
    `No reachable zone has code with the digest ${digest}; upload it with PUT /v1/tenants/TENANT/code/${digest} first.`,
  );
}

/**
 * Makes the code durable in every reachable zone of the residency and names those zones. Fails with MERIDIAN_CODE_NOT_DURABLE
 * when they are too few; this zone's store must hold it.
 */
export async function spreadCode(
  ports: CodePorts,
  code: StoredCode,
  residency: readonly Zone[],
): Promise<string[]> {
  const peers = await ports.federation.peers();
  const held = await Promise.all(
    residency.map(async ({ name }) => {
      if (name === ports.zone) return true;
      const url = peers.get(name);
      return url !== undefined && (await ensureAt(ports, name, url, code));
    }),
  );
  const codeZones = residency.map(({ name }) => name).filter((_name, index) => held[index]);
  const needed = codeZonesMin(residency);
  if (codeZones.length < needed)
    throw new MeridianError(
      "MERIDIAN_CODE_NOT_DURABLE",
      `The code is stored in ${codeZones.length} of the ${needed} zones it takes (${codeZones.join(", ") || "none"}); nothing was deployed. Send it again when more zones are up.`,
      { members: { codeZones } },
    );
  return codeZones;
}

async function ensureAt(
  ports: CodePorts,
  zone: string,
  url: string,
  code: StoredCode,
): Promise<boolean> {
  try {
    if ((await ask(ports, url, code.digest)) !== undefined) return true;
    const archive = await ports.codeStore.read(code.digest);
    if (archive === undefined) return false;
    try {
      await ports.client.json(url, {
        method: "PUT",
        path: pathOf(code.digest),
        body: archive.stream,
        headers: { "content-type": "application/zip", "content-length": String(archive.bytes) },
        timeoutMs: TRANSFER_TIMEOUT_MS,
      });
    } finally {
      archive.stream.destroy();
    }
    return true;
  } catch (error) {
    ports.log.warn({ zone, digest: code.digest, err: error }, "code could not be sent to a peer");
    return false;
  }
}

/** What the peer has under the digest, if anything. */
async function ask(
  { client }: CodePorts,
  url: string,
  digest: string,
): Promise<StoredCode | undefined> {
  try {
    const answer = await client.json(url, {
      path: `${pathOf(digest)}?only=size`,
      timeoutMs: ASK_TIMEOUT_MS,
    });
    return Value.Check(FoundCode, answer) ? answer : undefined;
  } catch (error) {
    if (error instanceof MeridianError && error.code === "MERIDIAN_CODE_NOT_FOUND")
      return undefined;
    throw error;
  }
}

async function fetchFrom(ports: CodePorts, url: string, digest: string): Promise<StoredCode> {
  const signal = AbortSignal.timeout(TRANSFER_TIMEOUT_MS);
  const body = await ports.client.stream(url, {
    path: pathOf(digest),
    timeoutMs: ASK_TIMEOUT_MS,
    signal,
  });
  try {
    return await ports.codeStore.put(digest, body, signal);
  } finally {
    body.destroy();
  }
}

const pathOf = (digest: string): string => `/internal/code/${digest}`;
