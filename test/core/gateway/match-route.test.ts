import assert from "node:assert/strict";
import { test } from "node:test";
import { type Door, matchRoute } from "../../../gateway/core/match-route.ts";

const hello = { tenant: "demo", functionName: "hello" };
const live = { ...hello, alias: "live" };

const cases: readonly (readonly [method: string, target: string, door: Door])[] = [
  ["POST", "/v1/tenants/demo/functions/hello:invoke", { kind: "invoke", ...live }],
  [
    "POST",
    "/v1/tenants/demo/functions/hello:invoke?alias=next",
    { kind: "invoke", ...hello, alias: "next" },
  ],
  ["GET", "/v1/tenants/demo/functions/hello:invoke", { kind: "method-not-allowed", allow: "POST" }],
  ["POST", "/v1/tenants/Demo/functions/hello:invoke", { kind: "not-found" }],
  ["POST", "/v1/tenants/demo/functions/hello:invoke?alias=A", { kind: "not-found" }],
  ["POST", "/v1/tenants/demo/functions/hello:publish", { kind: "control" }],
  ["GET", "/fn/demo/hello", { kind: "http", ...live, path: "/" }],
  ["DELETE", "/fn/demo/hello/", { kind: "http", ...live, path: "/" }],
  ["PUT", "/fn/demo/hello/a/b:c", { kind: "http", ...live, path: "/a/b:c" }],
  ["GET", "/fn/demo/hello@next/x", { kind: "http", ...hello, alias: "next", path: "/x" }],
  ["GET", "/fn/demo/hello@/x", { kind: "not-found" }],
  ["GET", "/fn/demo/hello@a@b/x", { kind: "not-found" }],
  ["GET", "/fn/demo", { kind: "not-found" }],
  ["GET", "/fn/-demo/hello", { kind: "not-found" }],
  ["GET", "/fn/__proto__/constructor", { kind: "not-found" }],
  [
    "TRACE",
    "/fn/demo/hello",
    { kind: "method-not-allowed", allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" },
  ],
  ["GET", "/v1/route:explain?function=hello", { kind: "explain" }],
  ["POST", "/v1/route:explain", { kind: "method-not-allowed", allow: "GET" }],
  ["GET", "/v1/gateways/eu-west/state", { kind: "gateway-state", gateway: "eu-west" }],
  ["POST", "/v1/gateways/eu-west/state", { kind: "method-not-allowed", allow: "GET" }],
  ["GET", "/v1/gateways/EU/state", { kind: "not-found" }],
  ["GET", "/v1/gateways/eu-west", { kind: "control" }],
  ["GET", "/v1/status", { kind: "control" }],
  ["PUT", "/v1/tenants/demo/code/sha256:ab", { kind: "control" }],
  ["GET", "/openapi.json", { kind: "control" }],
  ["GET", "/healthz", { kind: "healthz" }],
  ["GET", "/readyz", { kind: "readyz" }],
  ["GET", "/", { kind: "not-found" }],
  ["GET", "/v1", { kind: "not-found" }],
  ["GET", "/internal/feed", { kind: "not-found" }],
  ["GET", "/v2/x", { kind: "not-found" }],
];

for (const [method, target, door] of cases)
  test(`${method} ${target} is ${door.kind}`, () => {
    const [path = "", rawQuery = ""] = target.split("?");
    assert.deepEqual(matchRoute(method, path, rawQuery), door);
  });
