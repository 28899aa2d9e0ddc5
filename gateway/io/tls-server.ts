import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { createServer, type Server } from "node:tls";
import type { Logger } from "pino";
import { TCP_KEEP_ALIVE } from "../core/door-limits.ts";

export interface TlsFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface TlsOptions extends TlsFiles {
  readonly accept: (socket: Socket) => void;
  readonly handshakeTimeoutMs: number;
  readonly log: Logger;
}

export interface ReloadingTlsServer {
  readonly server: Server;
  /** Reads the files again; a pair that does not fit leaves the one before in force. */
  readonly reload: () => Promise<void>;
  readonly close: () => void;
}

/** Files are compared so often: a new certificate is in force within about a second. */
const LOOK_INTERVAL_MS = 1_000;

interface KeyPair {
  readonly cert: string;
  readonly key: string;
  readonly digest: string;
}

/** HTTPS, as HTTP/2 or HTTP/1.1 as the caller chooses, with a certificate that can be replaced while it runs. */
export async function reloadingTlsServer(options: TlsOptions): Promise<ReloadingTlsServer> {
  const { log, accept, handshakeTimeoutMs: handshakeTimeout } = options;
  let current = await readKeyPair(options);
  let refusedDigest: string | undefined;
  const { cert, key } = current;
  const ALPNProtocols = ["h2", "http/1.1"];
  const server = createServer(
    // A caller that has said all it will say may still listen, as without TLS.
    { ...TCP_KEEP_ALIVE, allowHalfOpen: true, cert, key, ALPNProtocols, handshakeTimeout },
    accept,
  );
  // The certificate is not asked for: callers are known by their keys.
  server.on("tlsClientError", (error) => log.debug({ err: error }, "a TLS handshake failed"));

  const reload = async (): Promise<void> => {
    const found = await readKeyPair(options).catch((error: unknown) => {
      const said = String(error);
      if (said !== refusedDigest) log.error({ err: error }, "the new certificate is not used");
      refusedDigest = said;
    });
    if (found === undefined || found.digest === current.digest) return;
    server.setSecureContext({ cert: found.cert, key: found.key });
    current = found;
    refusedDigest = undefined;
    log.info("a new certificate is in force");
  };
  const looking = setInterval(() => void reload(), LOOK_INTERVAL_MS);
  looking.unref();
  return { server, reload, close: () => clearInterval(looking) };
}

/** Both files, checked against each other: between the two writes of a renewal they do not fit. */
async function readKeyPair({ certificateFile, keyFile }: TlsFiles): Promise<KeyPair> {
  const [cert, key] = await Promise.all([
    readFile(certificateFile, "utf8"),
    readFile(keyFile, "utf8"),
  ]);
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw new Error(`the key in ${keyFile} is not that of the certificate in ${certificateFile}`);
  return { cert, key, digest: createHash("sha256").update(cert).update(key).digest("hex") };
}
