/*
 * Writes the files of a function as they come, one after another, and knows at the end whether they are what the agent announced.
 * Everything is written at once and in order: nothing else happens in a pod before its code is there.
 */
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export function codeWriter(folder, { digest, files }) {
  const hash = createHash("sha256").update(JSON.stringify(files));
  let index = -1;
  let file;
  let leftBytes = 0;

  const next = () => {
    while (leftBytes === 0 && index < files.length) {
      if (file !== undefined) closeSync(file);
      file = undefined;
      index += 1;
      if (index === files.length) return;
      const { path, mode, bytes } = files[index];
      const below = normalize(path);
      if (below.startsWith("..") || below.startsWith("/"))
        throw new Error(`${path} is not in the code`);
      const full = join(folder, below);
      mkdirSync(dirname(full), { recursive: true });
      file = openSync(full, "w", mode);
      leftBytes = bytes;
    }
  };
  next();
  return {
    write: (chunk) => {
      hash.update(chunk);
      let at = 0;
      while (at < chunk.length) {
        if (file === undefined) throw new Error("there is more code than was announced");
        const bytes = Math.min(leftBytes, chunk.length - at);
        writeSync(file, chunk, at, bytes);
        at += bytes;
        leftBytes -= bytes;
        next();
      }
    },
    /** Throws where something is missing or changed: nothing of it is run then. */
    finish: () => {
      if (index < files.length) throw new Error("the code did not come whole");
      const found = `sha256:${hash.copy().digest("hex")}`;
      if (found !== digest) throw new Error(`the code is ${found} and not ${digest}`);
    },
  };
}
