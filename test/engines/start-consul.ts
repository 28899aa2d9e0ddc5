import { join } from "node:path";
import { freePorts } from "#lib/io/free-ports.ts";
import { type RunningEngine, runEngine } from "./run-engine.ts";

export interface RunningConsul extends RunningEngine {
  readonly address: string;
}

/** A Consul agent that is its own server, on free loopback ports; a restart keeps what it knew. */
export async function startConsul(program: string): Promise<RunningConsul> {
  const first = await freePorts(5);
  const address = `http://127.0.0.1:${first}`;
  const ports = [
    ["-http-port", first],
    ["-server-port", first + 1],
    ["-serf-lan-port", first + 2],
    ["-serf-wan-port", first + 3],
    ["-dns-port", first + 4],
    ["-grpc-port", -1],
    ["-grpc-tls-port", -1],
  ].map(([name, port]) => `${name}=${port}`);
  const engine = await runEngine({
    program,
    argv: (folder) => [
      "agent",
      "-server",
      "-bootstrap-expect=1",
      "-bind=127.0.0.1",
      "-client=127.0.0.1",
      "-node=test",
      `-data-dir=${join(folder, "consul")}`,
      "-log-level=warn",
      // The quick timing of its development mode, with a disk.
      "-hcl=performance { raft_multiplier = 1 }",
      "-hcl=disable_update_check = true",
      "-hcl=limits { http_max_conns_per_client = 1000 }",
      ...ports,
    ],
    isReady: async (signal) => {
      const leader: unknown = await (await fetch(`${address}/v1/status/leader`, { signal })).json();
      return typeof leader === "string" && leader !== "";
    },
  });
  return { ...engine, address };
}
