import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import type { ApiPorts } from "./api-context.ts";

export interface Question<Schema extends TSchema> {
  readonly path: string;
  readonly timeoutMs: number;
  readonly answer: Schema;
  /** What the log says where no answer came. */
  readonly unheard: string;
}

/** What a program of any zone says, which may be away, hang, or be of another version: undefined where nothing that fits came in time. */
export async function askProgram<Schema extends TSchema>(
  { client, log }: Pick<ApiPorts, "client" | "log">,
  url: string | undefined,
  { path, timeoutMs, answer, unheard }: Question<Schema>,
): Promise<Static<Schema> | undefined> {
  if (url === undefined) return undefined;
  try {
    const said = await client.json(url, { path, timeoutMs });
    if (Value.Check(answer, said)) return said;
    log.info({ url, path }, `${unheard}: its answer does not fit`);
  } catch (error) {
    log.info({ url, path, err: error }, unheard);
  }
  return undefined;
}
