/** What a connection that sends `bytes` must get, and what of it may reach an agent. */
export interface CorpusEntry {
  readonly name: string;
  /** One character a byte. */
  readonly bytes: string;
  /** Of the answers, in order; where one of several will do, all of them. */
  readonly statuses: readonly (number | readonly number[])[];
  /** Whether the gateway ends the connection, as it must when it cannot tell where the next request begins. */
  readonly closes: boolean;
  /** Calls that an agent sees. */
  readonly calls: number;
  /** Words that must not be in what the agent sees. */
  readonly hidden: readonly string[];
}

const KEY = "mk_demo_key";
export const AUTH = `Authorization: Bearer ${KEY}`;
export const HOST = "Host: meridian.example";
export const INVOKE = "/v1/tenants/demo/functions/echo:invoke";

/** Everything of a request up to its body, headers as given. */
export const head = (line: string, ...headers: readonly string[]): string =>
  `${[line, ...headers].join("\r\n")}\r\n\r\n`;

/** A plain GET of something that is always there. */
export const get = (...headers: readonly string[]): string =>
  head("GET /healthz HTTP/1.1", HOST, ...headers);

/** A call of a function, with a body as the headers say. */
export const post = (body: string, ...headers: readonly string[]): string =>
  `${head(`POST ${INVOKE} HTTP/1.1`, HOST, AUTH, ...headers)}${body}`;

/** A call of a function over its HTTP door. */
export const call = (target: string, ...headers: readonly string[]): string =>
  head(`GET ${target} HTTP/1.1`, HOST, AUTH, ...headers);

/** Two requests, of which the second is what a smuggler wants to be read. */
export const SMUGGLED = `GET /fn/demo/echo/smuggled HTTP/1.1\r\n${HOST}\r\n${AUTH}\r\n\r\n`;

type Row = readonly [name: string, bytes: string];

const entry = (
  [name, bytes]: Row,
  expected: Partial<CorpusEntry> & Pick<CorpusEntry, "statuses">,
): CorpusEntry => ({ name, bytes, closes: false, calls: 0, hidden: ["smuggled"], ...expected });

/** Answered with one refusal, after which the connection ends. */
export const refused = (
  status: number | readonly number[],
  rows: readonly Row[],
): readonly CorpusEntry[] => rows.map((row) => entry(row, { statuses: [status], closes: true }));

/** Answered, by the gateway itself, and the connection can be used again. */
export const answered = (
  status: number | readonly number[],
  rows: readonly Row[],
): readonly CorpusEntry[] => rows.map((row) => entry(row, { statuses: [status] }));

/** A call that reaches an agent once, without the words that are not for it. */
export const called = (
  rows: readonly (readonly [...Row, ...hidden: readonly string[]])[],
): readonly CorpusEntry[] =>
  rows.map(([name, bytes, ...hidden]) =>
    entry([name, bytes], { statuses: [200], calls: 1, hidden }),
  );

/** Several answers on one connection. */
export const several = (
  rows: readonly (readonly [
    ...Row,
    statuses: CorpusEntry["statuses"],
    calls: number,
    closes: boolean,
  ])[],
): readonly CorpusEntry[] =>
  rows.map(([name, bytes, statuses, calls, closes]) =>
    entry([name, bytes], { statuses, calls, closes }),
  );
