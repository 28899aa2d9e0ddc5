// Loads its settings once per instance, before the first call, as top-level await.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const source = await readFile(fileURLToPath(import.meta.url), "utf8");
let calls = 0;

export const lookup = {
  handler: async () => "not this one",
};
export const handler = async () => {
  calls += 1;
  return {
    lines: source.split("\n").length > 5,
    isFirst: calls === 1,
    root: process.env.LAMBDA_TASK_ROOT === process.cwd(),
  };
};
