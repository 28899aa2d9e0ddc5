import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import type { KeptCall } from "../core/decide-replay.ts";
import type { FunctionAnswer } from "../core/read-answer.ts";
import type { ReplayKey } from "../core/replay-key.ts";
import { inTransaction, openDurableFile } from "./durable-file.ts";
import { answerBytes, KEY_BYTES, type ReplayLimits } from "./replay-store.ts";

export interface ReplayTable {
  readonly find: (id: string, nowMs: number) => KeptCall | undefined;
  readonly start: (key: ReplayKey, nowMs: number) => boolean;
  readonly finish: (id: string, answer: FunctionAnswer | undefined) => boolean;
  readonly forget: (id: string) => void;
  /** All of it durable when this returns, or nothing. */
  readonly inTransaction: (work: () => void) => void;
  readonly close: () => void;
}

const FORMAT_VERSION = 1;
/** A call without `status` was started and not finished; one without `body` was finished, and its answer had no room. */
const SCHEMA = `
  create table replays (
    id text primary key,
    tenant text not null,
    fingerprint text not null,
    until_ms integer not null,
    bytes integer not null,
    status integer,
    headers text,
    body blob
  ) strict;
  create index replays_by_age on replays (until_ms);
`;
/** In the place of a status that is not kept. */
const FINISHED = 200;
const OVERHEAD_BYTES = 4 * 1024 * 1024;
const LOG_BYTES_MAX = 16 * 1024 * 1024;
/** Each new key takes so many with it whose window is over: more than one, so that they go faster than they come. */
const EXPIRED_PER_START = 4;
/** One tenant's keys never take all of the room. */
const TENANT_SHARE = 0.5;

const StoredHeaders = Compile(
  Type.Record(Type.String(), Type.Union([Type.String(), Type.Array(Type.String())])),
);

/** The file's keys; made if it is missing. A damaged one is put aside, which `onDamaged` hears, and its keys are forgotten. */
export function openReplayTable(
  file: string,
  limits: ReplayLimits,
  onDamaged: (cause: unknown) => void,
): ReplayTable {
  const options = {
    file,
    damagedFile: `${file}.damaged`,
    // Room for what holds no answers; the limits proper are counted.
    bytesMax: 2 * limits.bytesMax + OVERHEAD_BYTES,
    logBytesMax: LOG_BYTES_MAX,
    schema: SCHEMA,
    formatVersion: FORMAT_VERSION,
  };
  return openDurableFile(options, (database) => tableOf(database, limits), onDamaged);
}

function tableOf(database: DatabaseSync, limits: ReplayLimits): ReplayTable {
  const select = database.prepare(
    "select fingerprint, status, headers, body from replays where id = ? and until_ms > ?",
  );
  const insert = database.prepare(
    "insert into replays (id, tenant, fingerprint, until_ms, bytes) values (?, ?, ?, ?, ?)",
  );
  const update = database.prepare(
    "update replays set status = ?, headers = ?, body = ?, bytes = ? where id = ?",
  );
  const remove = database.prepare("delete from replays where id = ? returning tenant, bytes");
  const expire = database.prepare(
    `delete from replays where id in
       (select id from replays where until_ms <= ? order by until_ms limit ${EXPIRED_PER_START})
     returning tenant, bytes`,
  );
  const owner = database.prepare("select tenant from replays where id = ?");
  let room = countRoom(database, limits);

  return {
    find: (id, nowMs) => {
      const row = select.get(id, nowMs);
      return row === undefined ? undefined : readRow(row);
    },
    start: ({ id, tenant, fingerprint }, nowMs) => {
      for (const gone of [...expire.all(nowMs), ...remove.all(id)]) room.give(gone);
      if (!room.take(tenant, 1, KEY_BYTES)) return false;
      insert.run(id, tenant, fingerprint, nowMs + limits.windowMs, KEY_BYTES);
      return true;
    },
    finish: (id, answer) => {
      const tenant = owner.get(id)?.["tenant"];
      if (typeof tenant !== "string") return false;
      const bytes = answer === undefined ? 0 : answerBytes(answer);
      if (answer === undefined || !room.take(tenant, 0, bytes)) {
        update.run(FINISHED, null, null, KEY_BYTES, id);
        return false;
      }
      const { status, headers, body } = answer;
      update.run(status, JSON.stringify(headers), body, KEY_BYTES + bytes, id);
      return true;
    },
    forget: (id) => {
      for (const gone of remove.all(id)) room.give(gone);
    },
    inTransaction: (work) => {
      try {
        inTransaction(database, work);
      } catch (error) {
        room = countRoom(database, limits);
        throw error;
      }
    },
    close: () => database.close(),
  };
}

type Row = Record<string, SQLOutputValue>;

interface Room {
  /** False, and nothing taken, where there is not enough. */
  readonly take: (tenant: string, keys: number, bytes: number) => boolean;
  /** What a removed row had. */
  readonly give: (row: Row) => void;
}

interface Amount {
  keys: number;
  bytes: number;
}

/** What is used, in all and by each tenant; read once, then counted along. */
function countRoom(database: DatabaseSync, { keysMax, bytesMax }: ReplayLimits): Room {
  const all: Amount = { keys: 0, bytes: 0 };
  const tenants = new Map<string, Amount>();
  const amountOf = (tenant: string): Amount => {
    const known = tenants.get(tenant) ?? { keys: 0, bytes: 0 };
    tenants.set(tenant, known);
    return known;
  };
  const add = (tenant: string, keys: number, bytes: number): void => {
    for (const amount of [all, amountOf(tenant)]) {
      amount.keys += keys;
      amount.bytes += bytes;
    }
    if (amountOf(tenant).keys === 0) tenants.delete(tenant);
  };
  const fits = (amount: Amount, keys: number, bytes: number, share: number): boolean =>
    amount.keys + keys <= keysMax * share && amount.bytes + bytes <= bytesMax * share;

  const used = database.prepare(
    "select tenant, count(*) as keys, sum(bytes) as bytes from replays group by tenant",
  );
  for (const { tenant, keys, bytes } of used.all())
    add(String(tenant), Number(keys), Number(bytes));
  return {
    take: (tenant, keys, bytes) => {
      if (!fits(all, keys, bytes, 1) || !fits(amountOf(tenant), keys, bytes, TENANT_SHARE))
        return false;
      add(tenant, keys, bytes);
      return true;
    },
    give: ({ tenant, bytes }) => add(String(tenant), -1, -Number(bytes)),
  };
}

function readRow({ fingerprint: said, status, headers, body }: Row): KeptCall {
  const fingerprint = String(said);
  if (typeof status !== "number") return { fingerprint, state: "outcome-unknown" };
  const readHeaders: unknown = typeof headers === "string" ? JSON.parse(headers) : undefined;
  if (!(body instanceof Uint8Array) || !StoredHeaders.Check(readHeaders))
    return { fingerprint, state: "answer-not-kept" };
  return {
    fingerprint,
    state: "answered",
    answer: { status, headers: readHeaders, body: Buffer.from(body) },
  };
}
