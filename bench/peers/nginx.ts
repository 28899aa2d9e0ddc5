import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "#lib/io/free-ports.ts";
import type { PeerOptions, StartedPeer } from "./peer.ts";
import { isInstalled, runPeer } from "./run-peer.ts";

/** One nginx process, proxy_pass with keep-alive, no access log. */
export function startNginx(options: PeerOptions): Promise<StartedPeer> {
  const { host, pathname } = new URL(options.upstreamUrl);
  return runNginx(options, (folder) => ({
    http: `access_log off;
  upstream agent { server ${host}; keepalive 128; keepalive_requests 100000000; }`,
    location: `proxy_pass http://agent${pathname === "/" ? "" : pathname};
${addedHeaders(options.headers)}`,
    folder,
  }));
}

/** The same with what nginx has of a gateway's layers: a rate limit for each key, an access log, a request id both ways. */
export function startNginxLayers(options: PeerOptions): Promise<StartedPeer> {
  const { host } = new URL(options.upstreamUrl);
  return runNginx(options, (folder) => ({
    http: `log_format calls escape=json '{"time":"$msec","requestId":"$request_id","uri":"$uri","upstream":"$upstream_addr","status":$status,"seconds":$request_time}';
  access_log ${folder}/access.log calls buffer=64k flush=500ms;
  limit_req_zone $http_authorization zone=keys:10m rate=1000000r/s;
  upstream agent { server ${host}; keepalive 128; keepalive_requests 100000000; }`,
    location: `limit_req zone=keys burst=100000 nodelay;
      proxy_set_header X-Request-ID $request_id;
      add_header X-Request-ID $request_id;
      proxy_pass http://agent;
${addedHeaders(options.headers)}`,
    folder,
  }));
}

/** Bodies of any length, passed on as they come, both ways. */
export function startNginxStreams(options: PeerOptions): Promise<StartedPeer> {
  const { host } = new URL(options.upstreamUrl);
  return runNginx(options, (folder) => ({
    http: `access_log off;
  client_max_body_size 0;
  upstream agent { server ${host}; keepalive 128; keepalive_requests 100000000; }`,
    location: `proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_pass http://agent;`,
    folder,
  }));
}

/** Tuned for the loss of a backend: the second takes over for errors and time-outs, POSTs too, and after a second at most. */
export function startNginxFailover(
  upstreamUrls: readonly [string, string],
  options: Pick<PeerOptions, "folder" | "core">,
): Promise<StartedPeer> {
  const [active, standby] = upstreamUrls.map((url) => new URL(url).host);
  return runNginx(options, (folder) => ({
    http: `access_log off;
  upstream agent {
    server ${active} max_fails=3 fail_timeout=30s;
    server ${standby} backup;
    keepalive 128;
    keepalive_requests 100000000;
  }`,
    location: `proxy_pass http://agent;
      proxy_connect_timeout 1s;
      proxy_read_timeout 1s;
      proxy_send_timeout 1s;
      proxy_next_upstream error timeout non_idempotent;
      proxy_next_upstream_tries 2;`,
    folder,
  }));
}

interface NginxParts {
  readonly http: string;
  readonly location: string;
  readonly folder: string;
}

async function runNginx(
  { folder, core }: Pick<PeerOptions, "folder" | "core">,
  parts: (folder: string) => NginxParts,
): Promise<StartedPeer> {
  if (!isInstalled("nginx", "-v")) return { kind: "missing", reason: "nginx is not installed" };
  const port = await freePorts(1);
  const configFile = join(folder, `nginx-${port}.conf`);
  await writeFile(configFile, nginxConfig(port, parts(folder)));
  const argv = ["-e", "stderr", "-p", folder, "-c", configFile];
  return runPeer({ program: "nginx", argv, port, core });
}

const addedHeaders = (headers: PeerOptions["headers"]): string =>
  Object.entries(headers)
    .map(([name, value]) => `      proxy_set_header ${name} "${value}";`)
    .join("\n");

function nginxConfig(port: number, { http, location, folder }: NginxParts): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `  ${kind}_temp_path ${folder}/${kind};`,
  );
  return `
daemon off;
master_process off;
pid ${folder}/nginx-${port}.pid;
error_log stderr crit;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
${temporary.join("\n")}
  keepalive_requests 100000000;
  ${http}
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      ${location}
    }
  }
}
`;
}
