import { Type } from "typebox";
import { Value } from "typebox/value";
import { extensible } from "#lib/contracts/extensible.ts";
import { Digest, Name } from "#lib/contracts/names.ts";
import { MeridianError } from "#lib/errors.ts";
import { CODE_BYTES_MAX } from "#lib/contracts/api.ts";
import type { CodePlace, StoredCode } from "#lib/ports/code-store.ts";
import { codeZonesMin } from "../../core/functions/check-manifest.ts";
import { type CodeHolder, zonesWithCode } from "../../core/code/code-zones.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import type { ApiPorts } from "../api/api-context.ts";

/**
 * A peer that does not say in this time whether it has the code counts as unreachable: it may be frozen. It reads the archive
 * through before it answers, for which a slow disk is given 50 MB/s.
 */
const askTimeoutMs = (bytes: number): number => 1_000 + Math.ceil(bytes / 50_000);
const TRANSFER_TIMEOUT_MS = 60_000;

/** What a federator answers when asked for the size alone, and when it took the archive in. */
const FoundCode = Type.Object(
  {
    digest: Digest,
    bytes: Type.Integer(),
    /** Absent from a federator that knows no other store than its zone's directory. */
    place: Type.Optional(
      Type.Object(
        { id: Type.String({ maxLength: 1_024 }), zonesHeld: Type.Array(Name) },
        extensible,
      ),
    ),
  },
  extensible,
);

type CodePorts = Pick<ApiPorts, "codeStore" | "federation" | "client" | "log" | "zone">;

/** The code, from this zone's store or, where it lacks it, fetched from a peer into it. */
export async function obtainCode(ports: CodePorts, digest: string): Promise<StoredCode> {
  const held = await ports.codeStore.find(digest);
  if (held !== undefined) return held;
  for (const { zone, url } of await peersWithCode(ports, digest)) {
    try {
      return await fetchFrom(ports, url, digest);
    } catch (error) {
      ports.log.warn({ zone, digest, err: error }, "code could not be fetched from a peer");
    }
  }
  throw codeNotFound(digest);
}

export const codeNotFound = (digest: string): MeridianError =>
  new MeridianError(
    "MERIDIAN_CODE_NOT_FOUND",
    `No reachable zone has code of yours with the digest ${digest}; upload it with PUT /v1/tenants/TENANT/code/${digest} first, and send the receipt of its answer as codeReceipt.`,
  );

/** The other zones whose stores hold the code now, all asked at once: a frozen one holds up nobody. */
export async function peersWithCode(
  ports: CodePorts,
  digest: string,
): Promise<readonly (CodeHolder & { readonly url: string })[]> {
  const peers = [...(await ports.federation.peers())];
  const asked = peers.map(async ([zone, url]) => {
    const place = await ask(ports, zone, url, digest, CODE_BYTES_MAX).catch((error: unknown) => {
      ports.log.warn({ zone, digest, err: error }, "a peer did not say whether it has the code");
    });
    return place === undefined ? [] : [{ zone, url, place }];
  });
  return (await Promise.all(asked)).flat();
}

/**
 * Makes the code durable in every reachable zone of the residency and names the zones that hold it. Fails with
 * MERIDIAN_CODE_NOT_DURABLE when they are too few; this zone's store must hold it.
 */
export async function spreadCode(
  ports: CodePorts,
  code: StoredCode,
  residency: readonly Zone[],
): Promise<string[]> {
  const peers = await ports.federation.peers();
  const asked = residency.map(async ({ name: zone }): Promise<readonly CodeHolder[]> => {
    const place = await placeIn(ports, zone, peers.get(zone), code);
    return place === undefined ? [] : [{ zone, place }];
  });
  const names = residency.map(({ name }) => name);
  const codeZones = [...zonesWithCode((await Promise.all(asked)).flat(), names)];
  const needed = codeZonesMin(residency.length);
  if (codeZones.length < needed)
    throw new MeridianError(
      "MERIDIAN_CODE_NOT_DURABLE",
      `The code is stored in ${codeZones.length} of the ${needed} zones it takes (${codeZones.join(", ") || "none"}); nothing was deployed. Send it again when more zones are up.`,
      { members: { codeZones } },
    );
  return codeZones;
}

async function placeIn(
  ports: CodePorts,
  zone: string,
  url: string | undefined,
  code: StoredCode,
): Promise<CodePlace | undefined> {
  // It was asked for when the deploy began, so that nothing takes it away before the deploy ends.
  if (zone === ports.zone) return ports.codeStore.place;
  if (url === undefined) return undefined;
  try {
    return (
      (await ask(ports, zone, url, code.digest, code.bytes)) ?? (await send(ports, zone, url, code))
    );
  } catch (error) {
    ports.log.warn({ zone, digest: code.digest, err: error }, "code could not be sent to a peer");
    return undefined;
  }
}

/** Where the peer has the code, if it has: it read the archive through, and will keep it for a while. */
async function ask(
  { client }: CodePorts,
  zone: string,
  url: string,
  digest: string,
  bytes: number,
): Promise<CodePlace | undefined> {
  try {
    const answer = await client.json(url, {
      path: `${pathOf(digest)}?only=size`,
      timeoutMs: askTimeoutMs(bytes),
    });
    return placeSaid(zone, digest, answer);
  } catch (error) {
    if (error instanceof MeridianError && error.code === "MERIDIAN_CODE_NOT_FOUND")
      return undefined;
    throw error;
  }
}

async function send(
  ports: CodePorts,
  zone: string,
  url: string,
  { digest }: StoredCode,
): Promise<CodePlace | undefined> {
  const archive = await ports.codeStore.read(digest);
  if (archive === undefined) return undefined;
  try {
    const answer = await ports.client.json(url, {
      method: "PUT",
      path: pathOf(digest),
      body: archive.stream,
      headers: { "content-type": "application/zip", "content-length": String(archive.bytes) },
      timeoutMs: TRANSFER_TIMEOUT_MS,
    });
    return placeSaid(zone, digest, answer);
  } finally {
    archive.stream.destroy();
  }
}

/** An answer that is about something else, or that cannot be read, is none. */
function placeSaid(zone: string, digest: string, answer: unknown): CodePlace | undefined {
  if (!Value.Check(FoundCode, answer) || answer.digest !== digest) return undefined;
  return answer.place ?? { id: `directory of ${zone}`, zonesHeld: [zone] };
}

async function fetchFrom(ports: CodePorts, url: string, digest: string): Promise<StoredCode> {
  const signal = AbortSignal.timeout(TRANSFER_TIMEOUT_MS);
  const body = await ports.client.stream(url, {
    path: pathOf(digest),
    timeoutMs: askTimeoutMs(CODE_BYTES_MAX),
    signal,
  });
  try {
    return await ports.codeStore.put(digest, body, signal);
  } finally {
    body.destroy();
  }
}

const pathOf = (digest: string): string => `/internal/code/${digest}`;
