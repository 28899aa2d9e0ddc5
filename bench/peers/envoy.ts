import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "#lib/io/free-ports.ts";
import type { PeerOptions, StartedPeer } from "./peer.ts";
import { isInstalled, runPeer } from "./run-peer.ts";

/** One Envoy worker with its router filter alone, no access log. */
export const startEnvoy = (options: PeerOptions): Promise<StartedPeer> =>
  runEnvoy(options, {
    route: { cluster: "agent" },
    endpoints: [endpointsAt(options.upstreamUrl, 0)],
  });

/** Tuned for the loss of a backend: checked each second, ejected for failures, tried again on the other priority. */
export const startEnvoyFailover = (
  [active, standby]: readonly [string, string],
  options: Pick<PeerOptions, "folder" | "core">,
): Promise<StartedPeer> =>
  runEnvoy(options, {
    route: {
      cluster: "agent",
      timeout: "3s",
      retry_policy: {
        retry_on: "connect-failure,refused-stream,reset,5xx",
        num_retries: 2,
        per_try_timeout: "1s",
        retry_priority: {
          name: "envoy.retry_priorities.previous_priorities",
          typed_config: {
            "@type":
              "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            update_frequency: 1,
          },
        },
      },
    },
    endpoints: [endpointsAt(active, 0), endpointsAt(standby, 1)],
    cluster: {
      // Without it nothing is repeated while a few hundred calls wait for the one that hangs.
      circuit_breakers: { thresholds: [{ max_retries: 10_000, max_pending_requests: 10_000 }] },
      health_checks: [
        {
          timeout: "1s",
          interval: "1s",
          unhealthy_threshold: 3,
          healthy_threshold: 2,
          tcp_health_check: {},
        },
      ],
      outlier_detection: {
        consecutive_5xx: 3,
        consecutive_gateway_failure: 3,
        interval: "1s",
        base_ejection_time: "10s",
        max_ejection_percent: 100,
      },
    },
  });

interface EnvoyParts {
  readonly route: object;
  readonly endpoints: readonly object[];
  readonly cluster?: object;
}

async function runEnvoy(
  { folder, core }: Pick<PeerOptions, "folder" | "core">,
  parts: EnvoyParts,
): Promise<StartedPeer> {
  if (!isInstalled("envoy", "--version"))
    return { kind: "missing", reason: "Envoy is not installed" };
  const port = await freePorts(1);
  const configFile = join(folder, "envoy.json");
  await writeFile(configFile, JSON.stringify(envoyConfig(port, parts)));
  const argv = ["-c", configFile, "--concurrency", "1", "--log-level", "error"];
  return runPeer({ program: "envoy", argv: [...argv, "--disable-hot-restart"], port, core });
}

const socketAddress = (port: number) => ({
  socket_address: { address: "127.0.0.1", port_value: port },
});

const endpointsAt = (url: string, priority: number): object => ({
  priority,
  lb_endpoints: [{ endpoint: { address: socketAddress(Number(new URL(url).port)) } }],
});

function envoyConfig(port: number, { route, endpoints, cluster }: EnvoyParts): object {
  const manager = {
    "@type":
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "door",
    route_config: {
      virtual_hosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route }] }],
    },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        },
      },
    ],
  };
  const filter = { name: "envoy.filters.network.http_connection_manager", typed_config: manager };
  return {
    static_resources: {
      listeners: [
        { name: "door", address: socketAddress(port), filter_chains: [{ filters: [filter] }] },
      ],
      clusters: [
        {
          name: "agent",
          type: "STATIC",
          connect_timeout: "1s",
          load_assignment: { cluster_name: "agent", endpoints },
          ...cluster,
        },
      ],
    },
  };
}
