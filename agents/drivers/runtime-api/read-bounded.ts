import type { IncomingMessage } from "node:http";

export type BoundedBody =
  | { readonly kind: "body"; readonly bytes: Buffer }
  | { readonly kind: "too-large" }
  | { readonly kind: "broke-off" };

/** The body whole, or why not; what is too large is not kept. */
export async function readBounded(
  request: IncomingMessage,
  bytesMax: number,
): Promise<BoundedBody> {
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) return tooLarge(request);
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    // The connection stays, for the answer that says why.
    for await (const part of request.iterator({ destroyOnReturn: false })) {
      parts.push(part);
      bytes += part.length;
      if (bytes > bytesMax) return tooLarge(request);
    }
  } catch {
    return { kind: "broke-off" };
  }
  return request.complete
    ? { kind: "body", bytes: Buffer.concat(parts, bytes) }
    : { kind: "broke-off" };
}

/** The rest is read past, so that whoever sends it comes to read the answer. */
function tooLarge(request: IncomingMessage): BoundedBody {
  request.resume();
  return { kind: "too-large" };
}
