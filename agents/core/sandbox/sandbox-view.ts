/*
 * What an instance sees of its machine's files, however its sandbox is made: by bubblewrap for one instance, or by a zygote for all that
 * it forks.
 */

/** Where an instance in a sandbox finds its things; the names are those of AWS Lambda. */
export const INSIDE = {
  task: "/var/task",
  runtime: "/var/runtime",
  node: "/var/lang/bin/node",
  /** The folder of the agent's socket; it is seen through, so that a later agent's socket appears in it. */
  agent: "/run/meridian",
} as const;

const TEMPORARY_BYTES = 512 * 1_048_576;

export const SANDBOX_LIMITS = {
  temporaryBytes: TEMPORARY_BYTES,
  sharedMemoryBytes: 64 * 1_048_576,
  descriptors: 4_096,
  /** What fits into the temporary folder. */
  fileBytes: TEMPORARY_BYTES,
} as const;

/** What is shown of this machine's root file system. */
export type RootEntry =
  | { readonly kind: "link"; readonly target: string; readonly path: string }
  | { readonly kind: "shown"; readonly path: string };

/** Read-only, all of it. */
export type ViewEntry =
  | { readonly kind: "link"; readonly target: string; readonly path: string }
  | { readonly kind: "shown"; readonly source: string; readonly path: string }
  /** The devices that every program may use, at `/dev`. */
  | { readonly kind: "devices" };

export interface CommonThings {
  readonly rootEntries: readonly RootEntry[];
  readonly node: string;
  /** The folder with the agent's socket for instances and nothing else. */
  readonly agentDirectory: string;
}

/** What all instances of one runtime see; the rest is an instance's own. */
export function commonView(things: CommonThings, runtimeDirectory: string): readonly ViewEntry[] {
  return [
    ...things.rootEntries.map((entry): ViewEntry =>
      entry.kind === "link" ? entry : { ...entry, source: entry.path },
    ),
    { kind: "devices" },
    { kind: "shown", source: things.node, path: INSIDE.node },
    { kind: "shown", source: runtimeDirectory, path: INSIDE.runtime },
    { kind: "shown", source: things.agentDirectory, path: INSIDE.agent },
  ];
}

/** Folders that a program needs at their own paths, such as an interpreter's. */
export const languageView = (directories: readonly string[]): readonly ViewEntry[] =>
  directories.map((path) => ({ kind: "shown", source: path, path }));
