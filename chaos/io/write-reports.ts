import { join } from "node:path";
import type { DrillReport, Experiment } from "#lib/contracts/drill.ts";
import { writeAtomically } from "#lib/io/write-atomically.ts";
import { renderHtml } from "../report/render-html.ts";
import { type JournalNotes, renderJournal } from "../report/render-journal.ts";
import { renderJunit } from "../report/render-junit.ts";

/** The same run four times: for programs, for people, for Chaos Toolkit's tools, and for a build server. */
export async function writeReports(
  directory: string,
  report: DrillReport,
  experiment: Experiment,
  notes: JournalNotes,
): Promise<void> {
  const files: Readonly<Record<string, string>> = {
    "report.json": asJson(report),
    "report.html": renderHtml(report),
    "journal.json": asJson(renderJournal(report, experiment, notes)),
    "junit.xml": renderJunit(report),
  };
  for (const [name, text] of Object.entries(files))
    await writeAtomically(join(directory, name), text, 0o644);
}

const asJson = (document: object): string => `${JSON.stringify(document, undefined, 2)}\n`;
