/* The same acts for a handler that streams and for a server: each is asked for by its name. */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export async function act(name, event, { stream, begin, signal }) {
  switch (name) {
    case "waitsForFile":
      stream.write("first,");
      while (!existsSync(event.file)) await sleep(5);
      return stream.end("last");
    case "writesMuch": {
      const chunk = Buffer.alloc(64 * 1024, 97);
      for (let written = 0; written < event.bytes; written += chunk.length) {
        if (!stream.write(chunk)) await once(stream, "drain", { signal });
        if (written % (1024 * 1024) === 0) console.log(`wrote ${written / 1024 / 1024}`);
      }
      return stream.end();
    }
    case "breaksOff":
      await new Promise((resolve) => stream.write("half", resolve));
      throw new Error("too far");
    case "neverEnds":
      signal.addEventListener("abort", () => console.log("nobody is there"));
      stream.write("for ever");
      await once(signal, "abort");
      throw signal.reason;
    case "saysHead": {
      const answer = begin({
        statusCode: 201,
        headers: { "content-type": "text/html", "x-shape": "round" },
        cookies: ["a=1; Path=/", "b=2"],
      });
      answer.write("<p>");
      return answer.end("hello");
    }
    case "saysNothing":
      return stream.end();
    case "exits":
      await new Promise((resolve) => stream.write("half", resolve));
      await sleep(20);
      return process.exit(7);
  }
}
