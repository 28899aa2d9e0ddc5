import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorsReference } from "./errors-reference.ts";

/* `npm run docs`: writes the references that are made from the source. `test/docs.test.ts` proves that they are current. */
const folder = join(import.meta.dirname, "reference");
await mkdir(folder, { recursive: true });
await writeFile(join(folder, "errors.md"), errorsReference());
