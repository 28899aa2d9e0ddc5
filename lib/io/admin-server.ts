import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { collectDefaultMetrics, Registry } from "prom-client";

export interface AdminServer {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** What stands at `/metrics`; a registry is one. */
export type MetricsSource = Pick<Registry, "contentType" | "metrics">;

/** A registry with the process's own figures, labelled with program and zone. */
export function metricsRegistry(program: string, zone: string | null): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ program, zone: zone ?? "" });
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** `/healthz` (the loop turns), `/readyz` (503 with the reason until `notReady()` is null), `/metrics`; on loopback. */
export async function startAdminServer(
  source: MetricsSource,
  notReady: () => string | null,
  port = 0,
): Promise<AdminServer> {
  const server = createServer((request, response) => {
    switch (request.url) {
      case "/healthz":
        return answer(response, 200, "text/plain", "ok\n");
      case "/readyz": {
        const reason = notReady();
        return answer(response, reason === null ? 200 : 503, "text/plain", `${reason ?? "ok"}\n`);
      }
      case "/metrics":
        source.metrics().then(
          (text) => answer(response, 200, source.contentType, text),
          (error: unknown) => answer(response, 500, "text/plain", `${String(error)}\n`),
        );
        return undefined;
      default:
        return answer(
          response,
          404,
          "text/plain",
          "not found: /healthz, /readyz and /metrics are here\n",
        );
    }
  });
  await new Promise<void>((resolve, reject) =>
    server.once("error", reject).listen(port, "127.0.0.1", resolve),
  );
  const { port: boundPort } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${boundPort}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { "content-type": type });
  response.end(text);
}
