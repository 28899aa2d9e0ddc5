import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "#lib/io/free-ports.ts";
import type { PeerOptions, StartedPeer } from "./peer.ts";
import { isInstalled, runPeer } from "./run-peer.ts";

/** One Envoy worker with its router filter alone, no access log. */
export async function startEnvoy({ upstreamUrl, folder, core }: PeerOptions): Promise<StartedPeer> {
  if (!isInstalled("envoy", "--version"))
    return { kind: "missing", reason: "Envoy is not installed" };
  const port = await freePorts(1);
  const configFile = join(folder, "envoy.json");
  await writeFile(configFile, JSON.stringify(envoyConfig(port, new URL(upstreamUrl))));
  const argv = ["-c", configFile, "--concurrency", "1", "--log-level", "error"];
  return runPeer({ program: "envoy", argv: [...argv, "--disable-hot-restart"], port, core });
}

function envoyConfig(port: number, upstream: URL): object {
  const address = (port_value: number) => ({
    socket_address: { address: "127.0.0.1", port_value },
  });
  const typed = (name: string) => `type.googleapis.com/envoy.extensions.filters.http.${name}`;
  const manager = {
    "@type":
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "door",
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [{ match: { prefix: "/" }, route: { cluster: "agent" } }],
        },
      ],
    },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": typed("router.v3.Router") },
      },
    ],
  };
  const filter = { name: "envoy.filters.network.http_connection_manager", typed_config: manager };
  const endpoint = { endpoint: { address: address(Number(upstream.port)) } };
  return {
    static_resources: {
      listeners: [{ name: "door", address: address(port), filter_chains: [{ filters: [filter] }] }],
      clusters: [
        {
          name: "agent",
          type: "STATIC",
          connect_timeout: "1s",
          load_assignment: { cluster_name: "agent", endpoints: [{ lb_endpoints: [endpoint] }] },
        },
      ],
    },
  };
}
