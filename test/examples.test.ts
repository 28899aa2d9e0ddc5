import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Value } from "typebox/value";
import { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import { REPOSITORY } from "./support/source-files.ts";

type Handler = (event: unknown) => unknown;

const hello = await loadHandler("hello");
const renderMarkdown = await loadHandler("render-markdown");
const PYTHON = "python3";
const hasPython = spawnSync(PYTHON, ["--version"]).status === 0;

for (const name of ["hello", "render-markdown", "hello-python"])
  test(`the manifest of ${name} is valid`, () => {
    const manifest = JSON.parse(
      readFileSync(join(REPOSITORY, "examples", name, "meridian.json"), "utf8"),
    );
    const complete = Value.Default(FunctionManifest, { name, ...manifest });
    assert.deepEqual(Value.Errors(FunctionManifest, complete), []);
  });

const greetings = [
  { event: { name: "Ada" }, greeting: "Hello, Ada!" },
  { event: {}, greeting: "Hello, world!" },
  { event: "Ada", greeting: "Hello, world!" },
  { event: null, greeting: "Hello, world!" },
  { event: httpEvent("GET", { query: { name: "Ada" } }), greeting: "Hello, Ada!" },
  { event: httpEvent("GET"), greeting: "Hello, world!" },
];

test("hello greets at both doors", () => {
  for (const { event, greeting } of greetings) assert.deepEqual(hello(event), { greeting });
});

test(
  "hello-python gives the same answers",
  { skip: hasPython ? false : "python3 is not there; install it, then `npm test -- examples`" },
  () => {
    for (const { event, greeting } of greetings) assert.deepEqual(callPython(event), { greeting });
  },
);

test("render-markdown renders what :invoke hands over, whatever its media type", () => {
  const html = "<h1>Title</h1>\n";
  assert.equal(renderMarkdown("# Title"), html);
  assert.equal(renderMarkdown({ markdown: "# Title" }), html);
  assert.equal(renderMarkdown({ body: base64("# Title"), isBase64Encoded: true }), html);
  assert.throws(() => renderMarkdown({ text: "# Title" }), /send the Markdown/);
});

test("render-markdown answers HTTP: a form for GET, HTML for POST, 405 for the rest", () => {
  const form = "application/x-www-form-urlencoded";
  const cases = [
    { event: httpEvent("GET"), status: 200, body: /<form method="post">/ },
    { event: httpEvent("POST", { body: "# Hi *there*" }), status: 200, body: /^<h1>Hi <em>there/ },
    {
      event: httpEvent("POST", { body: base64("# Grüße"), isBase64Encoded: true }),
      status: 200,
      body: /^<h1>Grüße/,
    },
    {
      event: httpEvent("POST", { body: "markdown=%23+Title", contentType: form }),
      status: 200,
      body: /^<h1>Title/,
    },
    { event: httpEvent("DELETE"), status: 405, body: /POST/ },
  ];
  for (const { event, status, body } of cases) {
    const answer = Object(renderMarkdown(event));
    assert.equal(answer.statusCode, status);
    assert.match(answer.body, body);
    assert.equal(answer.headers["content-type"], "text/html; charset=utf-8");
  }
});

/** An HTTP call as `/fn/…` hands it to a function: AWS Lambda's function URL payload 2.0, its telling parts. */
function httpEvent(
  method: string,
  more: {
    readonly query?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly isBase64Encoded?: boolean;
    readonly contentType?: string;
  } = {},
): unknown {
  return {
    version: "2.0",
    rawPath: "/",
    headers: more.contentType === undefined ? {} : { "content-type": more.contentType },
    ...(more.query === undefined ? {} : { queryStringParameters: more.query }),
    ...(more.body === undefined ? {} : { body: more.body }),
    isBase64Encoded: more.isBase64Encoded ?? false,
    requestContext: { http: { method, path: "/" } },
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

async function loadHandler(example: string): Promise<Handler> {
  const path = join(REPOSITORY, "examples", example, "index.js");
  const { handler }: { handler: Handler } = await import(pathToFileURL(path).href);
  return handler;
}

function callPython(event: unknown): unknown {
  const program =
    "import json, sys, index; print(json.dumps(index.handler(json.load(sys.stdin), None)))";
  const printed = execFileSync(PYTHON, ["-B", "-c", program], {
    cwd: join(REPOSITORY, "examples/hello-python"),
    input: JSON.stringify(event),
    encoding: "utf8",
  });
  // Above its result stands what the function itself prints.
  return JSON.parse(printed.trimEnd().split("\n").at(-1) ?? "");
}
