import { useLightAbort } from "./engine/light-abort.ts";
import { runSeed } from "./run-seed.ts";
import type { WorldSettings } from "./world/settings.ts";

/* Runs the worlds that its parent sends, one after the other, and answers with their results. */
useLightAbort();
process.on("message", (settings: WorldSettings) => {
  void runSeed(settings).then((result) => process.send?.(result));
});
