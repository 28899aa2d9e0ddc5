import { resolve } from "node:path";

/** Where Node keeps compiled code, for the command and for the programs that `up` starts: one for all state folders. */
export const COMPILE_CACHE: string = resolve(
  import.meta.dirname,
  "../node_modules/.cache/meridian",
);
