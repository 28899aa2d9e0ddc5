import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { writeFile } from "node:fs/promises";
import type { Credentials } from "#lib/contracts/run-endpoint.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export const MERIDIAN = resolve(import.meta.dirname, "../../../cli/meridian");

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command as people run it, with none of their variables. */
export function meridian(
  argv: readonly string[],
  options: { readonly cwd?: string; readonly environment?: Record<string, string> } = {},
): Promise<CommandResult> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("MERIDIAN_"));
  return new Promise((done) => {
    execFile(
      MERIDIAN,
      [...argv],
      {
        cwd: options.cwd,
        timeout: 60_000,
        env: { ...Object.fromEntries(inherited), ...options.environment },
      },
      (error, stdout, stderr) => {
        const exitCode = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        done({ exitCode, stdout, stderr });
      },
    );
  });
}

export interface SeenRequest {
  /** `POST /v1/…?query`. */
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface PreparedAnswer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly json?: unknown;
  readonly text?: string;
}

/** An API that answers what the test prepared, keeps what it was asked, and has a state folder that leads to it. */
export async function preparedApi(
  context: TestContext,
  answers: Readonly<Record<string, PreparedAnswer>>,
): Promise<{
  readonly endpoint: string;
  readonly state: string;
  readonly seen: readonly SeenRequest[];
}> {
  const seen: SeenRequest[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const line = `${request.method} ${request.url}`;
      seen.push({ line, headers: request.headers, body });
      const answer = answers[line] ?? { status: 404, text: "not prepared" };
      response.writeHead(answer.status ?? 200, answer.headers);
      response.end(answer.json === undefined ? answer.text : JSON.stringify(answer.json));
    });
  }).listen(0, "127.0.0.1");
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const endpoint = `http://127.0.0.1:${port}`;
  const state = await temporaryFolder(context);
  const credentials: Credentials = {
    endpoint,
    zones: {},
    operator: { apiKey: "mk_operator" },
    tenants: { demo: { apiKey: "mk_demo" }, acme: { apiKey: "mk_acme" } },
  };
  await writeFile(join(state, "credentials.json"), JSON.stringify(credentials));
  return { endpoint, state, seen };
}
