import { spawn, spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "#lib/io/free-ports.ts";
import { accepts, endChild } from "./child-server.ts";
import type { PeerOptions, StartedPeer } from "./peer.ts";

/** One nginx process, proxy_pass with keep-alive, no access log. */
export async function startNginx({
  upstreamUrl,
  headers,
  folder,
}: PeerOptions): Promise<StartedPeer> {
  if (spawnSync("nginx", ["-v"]).status !== 0)
    return { kind: "missing", reason: "nginx is not installed" };

  const port = await freePorts(1);
  const configFile = join(folder, "nginx.conf");
  await writeFile(configFile, nginxConfig(new URL(upstreamUrl), port, folder, headers));
  const child = spawn("nginx", ["-e", "stderr", "-p", folder, "-c", configFile], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    await accepts(child, port);
  } catch (cause) {
    await endChild(child);
    return { kind: "missing", reason: `nginx did not start: ${String(cause)}` };
  }
  return {
    kind: "running",
    peer: {
      url: `http://127.0.0.1:${port}/`,
      pids: child.pid === undefined ? [] : [child.pid],
      stop: () => endChild(child),
    },
  };
}

function nginxConfig(
  upstream: URL,
  port: number,
  folder: string,
  headers: PeerOptions["headers"],
): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `  ${kind}_temp_path ${folder}/${kind};`,
  );
  const added = Object.entries(headers).map(
    ([name, value]) => `      proxy_set_header ${name} "${value}";`,
  );
  return `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off;
${temporary.join("\n")}
  keepalive_requests 100000000;
  upstream agent { server ${upstream.host}; keepalive 128; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://agent${upstream.pathname};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
${added.join("\n")}
    }
  }
}
`;
}
