/** What has to be done to be rid of something that a drill did. Doing it twice does no harm. */
export type Undo =
  | { readonly kind: "start-zone"; readonly stateDirectory: string; readonly zone: string }
  | {
      readonly kind: "delete-functions";
      readonly stateDirectory: string;
      readonly tenant: string;
      readonly functions: readonly string[];
    }
  | {
      readonly kind: "stop-federation";
      readonly stateDirectory: string;
      /** `meridian up`, once it was started. */
      readonly up: { readonly pid: number; readonly startedAt: string } | null;
    };

export type UndoneBy = "runner" | "watchdog" | "scan";

/** The journal, in the order it was written. A later intent with the same id replaces the earlier one. */
export type JournalLine =
  | {
      readonly kind: "run";
      readonly runId: string;
      readonly runner: { readonly pid: number; readonly startedAt: string };
    }
  | {
      readonly kind: "intent";
      readonly id: string;
      readonly undo: Undo;
      /** A fault is undone after this time, whatever becomes of the runner; null for what is no fault. */
      readonly deadManMs: number | null;
    }
  | { readonly kind: "undone"; readonly id: string; readonly by: UndoneBy };

export type Intent = Extract<JournalLine, { kind: "intent" }>;

/** What is still to be undone, the newest first: the reverse of how it was done. */
export function openIntents(lines: readonly JournalLine[]): Intent[] {
  const open = new Map<string, Intent>();
  for (const line of lines) {
    if (line.kind === "intent") {
      // An intent that is told again keeps its place.
      open.set(line.id, line);
    } else if (line.kind === "undone") {
      open.delete(line.id);
    }
  }
  return [...open.values()].toReversed();
}

/** Nothing inside a federation needs to be put right when all of it goes. */
export function isMootBy(undo: Undo, open: readonly Intent[]): boolean {
  return (
    undo.kind !== "stop-federation" &&
    open.some(
      (intent) =>
        intent.undo.kind === "stop-federation" &&
        intent.undo.stateDirectory === undo.stateDirectory,
    )
  );
}

export const describeUndo = (undo: Undo): string => {
  switch (undo.kind) {
    case "start-zone":
      return `zone ${undo.zone} of ${undo.stateDirectory} has to be started`;
    case "delete-functions":
      return `functions ${undo.functions.join(", ")} of tenant ${undo.tenant} have to be deleted`;
    case "stop-federation":
      return `the federation on ${undo.stateDirectory} has to be stopped and its folder removed`;
  }
};
