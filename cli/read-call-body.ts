import { isUtf8 } from "node:buffer";
import { fstatSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { UsageError } from "./failures.ts";

/** What a call carries. */
export interface CallBody {
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

export interface CallSource {
  readonly data?: string | undefined;
  /** `-` is standard input. */
  readonly file?: string | undefined;
}

/** The event of a call: what was given, what is piped in, or an empty object. */
export async function readCallBody({ data, file }: CallSource): Promise<CallBody> {
  if (data !== undefined && file !== undefined)
    throw new UsageError("give the event with --data or with --file, not with both");
  if (data !== undefined) return checkedJson(data);
  if (file !== undefined && file !== "-") return typed(await readNamed(file), file);
  if (file === "-" || isPipedIn()) {
    const bytes = await buffer(process.stdin);
    if (bytes.byteLength > 0)
      return isJson(bytes) ? { contentType: JSON_TYPE, bytes } : typed(bytes);
  }
  return { contentType: JSON_TYPE, bytes: Buffer.from("{}") };
}

const JSON_TYPE = "application/json";

function checkedJson(text: string): CallBody {
  const bytes = Buffer.from(text);
  if (!isJson(bytes))
    throw new UsageError(
      `--data is not JSON; a text has double quotes of its own, as in --data '"hello"', and anything else is sent with --file`,
    );
  return { contentType: JSON_TYPE, bytes };
}

async function readNamed(file: string): Promise<Buffer> {
  return readFile(file).catch((error: Error) => {
    throw new UsageError(`${file} cannot be read: ${error.message}`);
  });
}

function typed(bytes: Buffer, name = ""): CallBody {
  if (name.endsWith(".json")) return { contentType: JSON_TYPE, bytes };
  const contentType = isUtf8(bytes) ? "text/plain; charset=utf-8" : "application/octet-stream";
  return { contentType, bytes };
}

/** A shell's pipe or redirection; a terminal, or the open channel of a parent program, would be waited for in vain. */
function isPipedIn(): boolean {
  try {
    const input = fstatSync(0);
    return input.isFIFO() || input.isFile();
  } catch {
    return false;
  }
}

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString("utf8"));
    return true;
  } catch {
    return false;
  }
}
