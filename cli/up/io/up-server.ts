import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  type GatewayRestart,
  ZONE_ACTIONS,
  type ZoneActionResult,
} from "#lib/contracts/supervision.ts";
import { MeridianError } from "#lib/errors.ts";
import { PROBLEM_TYPE, toMeridianError, toProblem } from "#lib/problem.ts";
import type { UpStatus } from "#lib/contracts/supervision.ts";

/** The system's limit is 108 on Linux, 104 elsewhere. */
const SOCKET_PATH_BYTES_MAX = 99;
const ZONE_ROUTE = /^\/zones\/([^/:]+):([a-z]+)$/;
const GATEWAYS_ROUTE = /^\/gateways\/([^/:]+):restart$/;

export type ZoneAction = (typeof ZONE_ACTIONS)[number];

export interface UpServer {
  readonly socketPath: string;
  readonly close: () => Promise<void>;
}

export interface UpServices {
  readonly status: () => UpStatus;
  readonly act: (zone: string, action: ZoneAction) => Promise<ZoneActionResult>;
  readonly restartGateways: (zone: string) => Promise<GatewayRestart>;
}

/** What `meridian zone …` talks to: a socket only this user can open. */
export async function startUpServer(runDirectory: string, services: UpServices): Promise<UpServer> {
  const socketPath = chooseSocketPath(runDirectory);
  rmSync(socketPath, { force: true });
  const server = createServer((request, response) => {
    answer(request, services).then(
      (document) => send(response, 200, "application/json", document),
      (thrown: unknown) => {
        const requestId = randomBytes(8).toString("hex");
        const problem = toProblem(toMeridianError(thrown), requestId);
        send(response, problem.status, PROBLEM_TYPE, problem);
      },
    );
  });
  await new Promise<void>((resolve, reject) =>
    server.once("error", reject).listen(socketPath, resolve),
  );
  chmodSync(socketPath, 0o600);
  return {
    socketPath,
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      if (dirname(socketPath) !== runDirectory)
        rmSync(dirname(socketPath), { recursive: true, force: true });
    },
  };
}

/** Beside the other files of this run, or in a short folder of its own where that path is too long for a socket. */
function chooseSocketPath(runDirectory: string): string {
  const path = join(runDirectory, "up.sock");
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path;
  return join(mkdtempSync(join(tmpdir(), "meridian-")), "up.sock");
}

async function answer(request: IncomingMessage, services: UpServices): Promise<object> {
  if (request.method === "GET" && request.url === "/status") return services.status();
  const isPost = request.method === "POST";
  const [, zoneOfGateways] = GATEWAYS_ROUTE.exec(request.url ?? "") ?? [];
  if (isPost && zoneOfGateways !== undefined)
    return services.restartGateways(nameIn(zoneOfGateways));
  const [, zone, word] = ZONE_ROUTE.exec(request.url ?? "") ?? [];
  const action = ZONE_ACTIONS.find((known) => known === word);
  if (!isPost || zone === undefined || action === undefined)
    throw new MeridianError(
      "MERIDIAN_NOT_FOUND",
      "only GET /status, POST /zones/NAME:start|stop|kill and POST /gateways/ZONE:restart are here",
    );
  return services.act(nameIn(zone), action);
}

/** Whatever was named is looked up, so that who mistypes a zone is told which there are. */
function nameIn(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function send(response: ServerResponse, status: number, type: string, document: object): void {
  response.writeHead(status, { "content-type": type });
  response.end(`${JSON.stringify(document)}\n`);
}
