import { readFile } from "node:fs/promises";
import { type Static, type TSchema, Type } from "typebox";
import { Value } from "typebox/value";
import { DrillExtension, Experiment } from "#lib/contracts/drill.ts";
import { checkExperiment } from "../core/check-experiment.ts";
import type { Drill } from "../core/drill.ts";

export type ExperimentReading =
  | { readonly kind: "ok"; readonly experiment: Experiment; readonly drill: Drill }
  /** Each says where in the file and what. */
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

const EXTENSION_NAME = "meridian";
const Extensions = Type.Object({ extensions: Type.Array(Type.Object({ name: Type.String() })) });

/** The drill file, checked as a whole: every mistake is told at once. */
export async function readExperiment(file: string): Promise<ExperimentReading> {
  let document: unknown;
  try {
    document = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    return { kind: "invalid", mistakes: [whyUnread(file, error)] };
  }
  const extension = findExtension(document);
  const mistakes = [
    ...schemaMistakes(Experiment, document, ""),
    ...(extension.kind === "found"
      ? schemaMistakes(DrillExtension, extension.entry, `/extensions/${extension.index}`)
      : [extension.mistake]),
  ];
  if (mistakes.length > 0 || extension.kind !== "found") return { kind: "invalid", mistakes };
  const experiment: Static<typeof Experiment> = Value.Parse(Experiment, document);
  const { drill } = Value.Parse(DrillExtension, extension.entry);
  const contradictions = checkExperiment(experiment, drill);
  return contradictions.length > 0
    ? { kind: "invalid", mistakes: contradictions }
    : { kind: "ok", experiment, drill };
}

type ExtensionSearch =
  | { readonly kind: "found"; readonly index: number; readonly entry: unknown }
  | { readonly kind: "not-one"; readonly mistake: string };

function findExtension(document: unknown): ExtensionSearch {
  const extensions = Value.Check(Extensions, document) ? document.extensions : [];
  const ours = [...extensions.entries()].filter(([, { name }]) => name === EXTENSION_NAME);
  const [first] = ours;
  if (first !== undefined && ours.length === 1)
    return { kind: "found", index: first[0], entry: first[1] };
  return {
    kind: "not-one",
    mistake: `/extensions: needs exactly one entry named "${EXTENSION_NAME}", has ${ours.length}`,
  };
}

function schemaMistakes(schema: TSchema, document: unknown, at: string): string[] {
  const mistakes = Value.Errors(schema, document).filter(({ keyword }) => keyword !== "boolean");
  return mistakes.map(
    ({ instancePath, message, params }) =>
      `${at}${instancePath || (at === "" ? "/" : "")}: ${message}${unknownKeys(params)}`,
  );
}

function unknownKeys(params: object): string {
  const { additionalProperties } = params as { additionalProperties?: readonly string[] };
  return additionalProperties === undefined ? "" : ` (${additionalProperties.join(", ")})`;
}

function whyUnread(file: string, error: unknown): string {
  if (error instanceof SyntaxError) return `${file} is not JSON: ${error.message}`;
  if (error instanceof Error && "code" in error && error.code === "ENOENT")
    return `there is no file ${file}; those that come along are in chaos/drills/`;
  return `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}
