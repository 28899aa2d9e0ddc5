import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { USAGE_COUNTS } from "#lib/contracts/usage.ts";
import { openDurableFile } from "./durable-file.ts";
import type { UsageBookOptions } from "./usage-file-calls.ts";

const FORMAT_VERSION = 1;
const LOG_BYTES_MAX = 4 * 1024 * 1024;

export const COLUMNS = {
  invocations: "invocations",
  errors: "errors",
  initErrors: "init_errors",
  coldStarts: "cold_starts",
  billedMs: "billed_ms",
  egressBytes: "egress_bytes",
  megabyteMs: "megabyte_ms",
} as const satisfies Record<(typeof USAGE_COUNTS)[number], string>;
export const COUNT_COLUMNS = USAGE_COUNTS.map((name) => COLUMNS[name]);
const KEY_COLUMNS = ["start_ms", "span_ms", "tenant", "function_name", "version"];

const SCHEMA = `
  create table book (id integer primary key check (id = 1), book_id text not null) strict;
  create table boots (boot_id text primary key, sequence integer not null) strict;
  create table usage (
    start_ms integer not null,
    span_ms integer not null,
    tenant text not null,
    function_name text not null,
    version integer not null,
    ${COUNT_COLUMNS.map((name) => `${name} integer not null,`).join("\n")}
    primary key (${KEY_COLUMNS.join(", ")})
  ) strict, without rowid;
`;
/** Of an insert: what is there already is added to. */
export const ADD_UP = `on conflict do update set ${COUNT_COLUMNS.map((name) => `${name} = ${name} + excluded.${name}`).join(", ")}`;
export const ALL_COLUMNS = [...KEY_COLUMNS, ...COUNT_COLUMNS];

/** What `use` makes of the book in this file; begun if it is missing. A damaged one is put aside, which `onDamaged` hears. */
export function openUsageDatabase<Used>(
  { file, bytesMax, wallMs }: UsageBookOptions,
  use: (database: DatabaseSync) => Used,
  onDamaged: (cause: unknown) => void,
): Used {
  const options = {
    file,
    damagedFile: `${file}.${wallMs}.damaged`,
    bytesMax,
    logBytesMax: LOG_BYTES_MAX,
    schema: SCHEMA,
    formatVersion: FORMAT_VERSION,
  };
  const begin = (database: DatabaseSync): Used => {
    database.prepare("insert or ignore into book values (1, ?)").run(randomUUID());
    return use(database);
  };
  return openDurableFile(options, begin, onDamaged);
}
