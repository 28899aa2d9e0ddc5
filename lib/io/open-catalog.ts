import { readFile } from "node:fs/promises";
import type { CatalogConfig, EtcdCatalogConfig } from "#lib/contracts/catalog-config.ts";
import type { EtcdConnection } from "#lib/io/etcd/etcd-client.ts";
import { ConfigError } from "#lib/parse-config.ts";
import { connectCatalog, type RemoteCatalogOptions } from "#lib/io/remote-catalog.ts";
import type { Catalog } from "#lib/ports/catalog.ts";
import type { Random } from "#lib/ports/random.ts";

export interface OpenCatalogPorts extends RemoteCatalogOptions {
  readonly random: Random;
  /**
   * Who writes, as `eu-west.federator`: the same after a restart, and no two running programs have one name. It names the
   * program's marks in etcd, by which it learns the fate of a write whose answer was lost.
   */
  readonly writerName: string;
}

/** The configured catalog. Nothing needs to be reachable yet: each call says by its deadline what is. */
export async function openCatalog(
  config: CatalogConfig,
  ports: OpenCatalogPorts,
): Promise<Catalog> {
  if (config.kind === "embedded") return connectCatalog(ports);

  // Loading etcd's client takes a good part of a second, and only those who use it wait for it.
  const { openEtcdCatalog } = await import("#lib/io/etcd/etcd-catalog.ts");
  const { clock, random, writerName, callTimeoutMs, stallMs } = ports;
  return await openEtcdCatalog({
    ...(await readEtcdConnection(config)),
    ...(config.keyPrefix !== undefined && { keyPrefix: config.keyPrefix }),
    ...(callTimeoutMs !== undefined && { callTimeoutMs }),
    ...(stallMs !== undefined && { stallMs }),
    clock,
    random,
    writerName,
  });
}

/** How to reach the configured etcd, with its secrets read from their files: for the catalog and for `etcdMaintenance`. */
export async function readEtcdConnection(config: EtcdCatalogConfig): Promise<EtcdConnection> {
  const { endpoints, username, passwordFile, certificateFile, keyFile } = config;
  if ((username === undefined) !== (passwordFile === undefined))
    throw new ConfigError("etcd needs `username` and `passwordFile` together, or neither");
  if ((certificateFile === undefined) !== (keyFile === undefined))
    throw new ConfigError("etcd needs `certificateFile` and `keyFile` together, or neither");
  if (certificateFile !== undefined && config.certificateAuthorityFile === undefined)
    throw new ConfigError("etcd needs `certificateAuthorityFile` beside `certificateFile`");

  const [password, certificateAuthority, certificate, key] = await Promise.all(
    [passwordFile, config.certificateAuthorityFile, certificateFile, keyFile].map(readSecret),
  );
  return {
    endpoints,
    ...(username !== undefined &&
      password && { credentials: { username, password: password.toString("utf8").trim() } }),
    ...(certificateAuthority && {
      tls: { certificateAuthority, ...(certificate && key && { certificate, key }) },
    }),
  };
}

async function readSecret(file: string | undefined): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file);
  } catch (cause) {
    throw new ConfigError(`the file ${file} for etcd cannot be read: ${String(cause)}`, { cause });
  }
}
