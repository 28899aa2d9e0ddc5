import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { PLANTED_BUGS } from "./planted-bugs.ts";

/*
 * Loaded before anything else (`node --import`): the module that the bug sits in is read with the bug in it. The name comes in
 * MERIDIAN_PLANTED_BUG; nothing on disk changes.
 */
const bug = PLANTED_BUGS.find(({ name }) => name === process.env["MERIDIAN_PLANTED_BUG"]);
if (bug === undefined) throw new Error("MERIDIAN_PLANTED_BUG names none of the planted bugs");

registerHooks({
  load: (url, context, nextLoad) => {
    const places = bug.places.filter(({ file }) => url.endsWith(`/${file}`));
    if (places.length === 0) return nextLoad(url, context);
    let source = readFileSync(new URL(url), "utf8");
    for (const { file, right, wrong } of places) {
      if (!source.includes(right))
        throw new Error(`${file} has changed: ${bug.name} no longer fits`);
      source = source.replace(right, wrong);
    }
    return { format: "module-typescript", source, shortCircuit: true };
  },
});
