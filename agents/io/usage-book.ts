import type { DatabaseSync, SQLInputValue, SQLOutputValue } from "node:sqlite";
import { type AgentUsageQuery, type AgentUsageRow, USAGE_COUNTS } from "#lib/contracts/usage.ts";
import { HOUR_MS, type UsageBatch } from "../core/usage-meter.ts";
import { isFull } from "#lib/io/sqlite-fault.ts";
import { inTransaction } from "./durable-file.ts";
import {
  ADD_UP,
  ALL_COLUMNS,
  COLUMNS,
  COUNT_COLUMNS,
  openUsageDatabase,
} from "./usage-database.ts";
import type { ReadUsage, Tidied, UsageBookOptions } from "./usage-file-calls.ts";

/** What ran on this cluster, in one SQLite file: by version and hour, and by day once the hours are old. */
export interface UsageBook {
  readonly bookId: string;
  /** All of the batch, durable when this returns, or nothing. A batch that is in the book already is left out. */
  readonly add: (batch: UsageBatch, wallMs: number) => Tidied;
  readonly read: (query: AgentUsageQuery) => ReadUsage;
  readonly close: () => void;
}

const DAY_MS = 24 * HOUR_MS;
/** Hours are kept for the days that people look at closely, then added up to days, which are kept for a year and a month. */
const HOURS_KEPT_DAYS = 8;
const DAYS_KEPT = 400;
/** Twice what a row of common names takes, pages that are half empty included. */
const ROW_BYTES = 256;
/** The look at how many rows there are reads all of them. */
const ADDED_PER_LOOK = 50_000;
/** Processes whose last number is kept; one would do, but for two that overlap for a moment. */
const BOOTS_KEPT = 8;

/** A file that is missing is begun, and a damaged one put aside, which `onDamaged` hears. */
export const openUsageBook = (
  options: UsageBookOptions,
  onDamaged: (cause: unknown) => void,
): UsageBook => openUsageDatabase(options, (database) => bookOf(database, options), onDamaged);

function bookOf(database: DatabaseSync, options: UsageBookOptions): UsageBook {
  const { bootId, bytesMax, wallMs } = options;
  const rowsMax = Math.floor(bytesMax / ROW_BYTES);
  const addedPerLook = Math.min(ADDED_PER_LOOK, rowsMax / 8);
  const insert = database.prepare(
    `insert into usage (${ALL_COLUMNS.join(", ")}) values (${ALL_COLUMNS.map(() => "?").join(", ")}) ${ADD_UP}`,
  );
  const known = database.prepare("select sequence from boots where boot_id = ?");
  // Deleted and written again, so that the order of the rows is that of their last change.
  const forget = database.prepare("delete from boots where boot_id = ?");
  const remember = database.prepare("insert into boots values (?, ?)");
  const forgetOld = database.prepare(
    `delete from boots where rowid not in (select rowid from boots order by rowid desc limit ${BOOTS_KEPT})`,
  );
  const bookId = String(database.prepare("select book_id from book").get()?.["book_id"]);
  const sequence = (): number => Number(known.get(bootId)?.["sequence"] ?? 0);
  let lookedAtHour = -1;
  let addedSinceLook = 0;

  const tidyWhenDue = (nowMs: number): Tidied => {
    const hour = Math.floor(nowMs / HOUR_MS);
    if (hour === lookedAtHour && addedSinceLook < addedPerLook) return { removedRows: 0 };
    lookedAtHour = hour;
    addedSinceLook = 0;
    return inTransaction(database, () => tidy(database, rowsMax, nowMs));
  };
  try {
    tidyWhenDue(wallMs);
  } catch (error) {
    // Without room nothing is tidied; what is in it can be read all the same.
    if (!isFull(error)) throw error;
  }

  return {
    bookId,
    add: (batch, nowMs) => {
      inTransaction(database, () => {
        if (batch.sequence <= sequence()) return;
        for (const row of batch.rows)
          insert.run(
            row.startMs,
            HOUR_MS,
            row.tenant,
            row.functionName,
            row.version,
            ...USAGE_COUNTS.map((name) => row[name]),
          );
        forget.run(bootId);
        remember.run(bootId, batch.sequence);
        forgetOld.run();
      });
      addedSinceLook += batch.rows.length;
      return tidyWhenDue(nowMs);
    },
    read: (query) => ({ rows: readRows(database, query), sequence: sequence() }),
    close: () => database.close(),
  };
}

/** Old hours become days. One day at most is removed for its age at a time: a clock that is far ahead for an hour costs one day. */
function tidy(database: DatabaseSync, rowsMax: number, nowMs: number): Tidied {
  const todayMs = startOfDay(nowMs);
  const before = rowCount(database);
  addUpHours(database, todayMs - HOURS_KEPT_DAYS * DAY_MS);
  let removedRows = 0;
  const oldestMs = oldestOf(database);
  if (oldestMs < todayMs - DAYS_KEPT * DAY_MS) removedRows += removeDay(database, oldestMs);
  if (before > rowsMax) removedRows += makeRoom(database, rowsMax, todayMs);
  return { removedRows };
}

/** The oldest hours are added up first; days go only when there are none. What today used stays in any case. */
function makeRoom(database: DatabaseSync, rowsMax: number, todayMs: number): number {
  let removedRows = 0;
  for (let day = todayMs - HOURS_KEPT_DAYS * DAY_MS; day < todayMs; day += DAY_MS) {
    if (rowCount(database) <= rowsMax) return removedRows;
    addUpHours(database, day + DAY_MS);
  }
  while (rowCount(database) > rowsMax) {
    const oldestMs = oldestOf(database);
    if (oldestMs >= todayMs) break;
    removedRows += removeDay(database, oldestMs);
  }
  return removedRows;
}

function addUpHours(database: DatabaseSync, beforeMs: number): void {
  const sums = COUNT_COLUMNS.map((name) => `sum(${name})`).join(", ");
  database
    .prepare(
      `insert into usage (${ALL_COLUMNS.join(", ")})
       select start_ms - start_ms % ${DAY_MS}, ${DAY_MS}, tenant, function_name, version, ${sums}
       from usage where span_ms = ${HOUR_MS} and start_ms < ? group by 1, 3, 4, 5 ${ADD_UP}`,
    )
    .run(beforeMs);
  database.prepare(`delete from usage where span_ms = ${HOUR_MS} and start_ms < ?`).run(beforeMs);
}

function removeDay(database: DatabaseSync, dayMs: number): number {
  const endMs = startOfDay(dayMs) + DAY_MS;
  return Number(database.prepare("delete from usage where start_ms < ?").run(endMs).changes);
}

const oldestOf = (database: DatabaseSync): number =>
  Number(
    database.prepare("select min(start_ms) as oldest from usage").get()?.["oldest"] ?? Infinity,
  );

const rowCount = (database: DatabaseSync): number =>
  Number(database.prepare("select count(*) as rows from usage").get()?.["rows"]);

const startOfDay = (wallMs: number): number => Math.floor(wallMs / DAY_MS) * DAY_MS;

/** Whatever lies partly in the time that is asked for is added whole: rows say from when to when they are. */
function readRows(database: DatabaseSync, query: AgentUsageQuery): readonly AgentUsageRow[] {
  const { tenant, functionName, fromMs, toMs, interval, by, since } = query;
  const start = {
    hour: "start_ms",
    day: `start_ms - start_ms % ${DAY_MS}`,
    total: String(fromMs),
  }[interval];
  const end = { hour: "start_ms + span_ms", day: `${start} + ${DAY_MS}`, total: String(toMs) }[
    interval
  ];
  const where = ["start_ms < ?", "start_ms + span_ms > ?"];
  const values: SQLInputValue[] = [toMs, fromMs];
  if (tenant !== undefined) {
    where.push("tenant = ?");
    values.push(tenant);
  }
  if (functionName !== undefined) {
    where.push("function_name = ?");
    values.push(functionName);
  }
  if (since !== undefined)
    values.push(since.startMs, since.tenant, since.functionName ?? "", since.version ?? 0);
  const sums = COUNT_COLUMNS.map((name) => `total(${name}) as ${name}`);
  const statement = database.prepare(
    `select ${start} as from_ms, tenant,
       ${by === "tenant" ? "''" : "function_name"} as named, ${by === "version" ? "version" : "0"} as numbered,
       max(${end}) as end_ms, ${sums.join(", ")}
     from usage where ${where.join(" and ")} group by 1, 2, 3, 4
     ${since === undefined ? "" : "having (from_ms, tenant, named, numbered) >= (?, ?, ?, ?)"}
     order by 1, 2, 3, 4 limit ?`,
  );
  return statement.all(...values, query.limit).map(readRow);
}

function readRow(row: Record<string, SQLOutputValue>): AgentUsageRow {
  const { named, numbered } = row;
  const counted = (name: (typeof USAGE_COUNTS)[number]): number => Number(row[COLUMNS[name]]);
  return {
    startMs: Number(row["from_ms"]),
    endMs: Number(row["end_ms"]),
    tenant: String(row["tenant"]),
    ...(named === "" ? {} : { functionName: String(named) }),
    ...(numbered === 0 ? {} : { version: Number(numbered) }),
    invocations: counted("invocations"),
    errors: counted("errors"),
    initErrors: counted("initErrors"),
    coldStarts: counted("coldStarts"),
    billedMs: counted("billedMs"),
    egressBytes: counted("egressBytes"),
    megabyteMs: counted("megabyteMs"),
  };
}
