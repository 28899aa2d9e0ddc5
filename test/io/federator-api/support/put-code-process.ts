import { pino } from "pino";
import { systemClock } from "#lib/io/system-clock.ts";
import { openDirectoryCodeStore } from "../../../../federator/io/code/directory-code-store.ts";
import { digestOf, zipOf } from "../archives.ts";

/* Puts one archive after the other into the store of a directory until it is killed, and says each digest that was acknowledged. */
const [directory = "", seed = ""] = process.argv.slice(2);
const log = pino({ level: "silent" });
const store = await openDirectoryCodeStore({ directory, zone: "eu-west", clock: systemClock, log });
for (let count = 0; ; count += 1) {
  const content = `// ${seed} ${count}\n`.padEnd(100_000, String(Math.random()));
  const archive = zipOf([{ name: "index.mjs", content, method: 0 }]);
  const digest = digestOf(archive);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < archive.length; at += 8_192) yield archive.subarray(at, at + 8_192);
  }
  await store.put(digest, pieces(), new AbortController().signal);
  process.stdout.write(`${digest}\n`);
}
