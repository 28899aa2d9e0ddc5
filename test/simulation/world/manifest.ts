import type { FunctionManifest } from "#lib/contracts/function-manifest.ts";

/** The defaults of a manifest, for a function of that name. */
export const manifestOf = (name: string): FunctionManifest => ({
  name,
  runtime: "node",
  handler: "index.handler",
  memoryMegabytes: 128,
  timeoutMs: 3_000,
  concurrency: 1,
  idempotent: false,
  environment: {},
  placement: { regions: [], tier: "normal", clustersMin: 1 },
  httpAuth: "key",
  contentType: "text/plain",
});
