import { type Command, Option } from "@commander-js/extra-typings";
import { type UsageItem, UsagePage } from "#lib/contracts/usage.ts";
import { connectedCommand, examples, tenantOption } from "../command-options.ts";
import { connectAsOperator, connectAsTenant } from "../connect.ts";
import { formatTable, printDocument, printLine } from "../print.ts";

const PAGE_ITEMS = 1_000;
/** What one command prints; a program that wants more reads `GET /v1/usage` page by page. */
const PAGES_MAX = 100;
const WAYS = ["tenant", "function", "version", "zone", "hour", "day"] as const;
type Way = (typeof WAYS)[number];

export function registerUsage(program: Command): void {
  connectedCommand(program, "usage", "show what functions used: calls, GB-seconds, bytes sent")
    .argument("[function]", "one function (default: all)")
    .addOption(tenantOption())
    .option("--all-tenants", "of every tenant, as operator")
    .option("--from <time>", "a day or a time, UTC (default: the first of this month)")
    .option("--to <time>", "until then, that day included (default: now)")
    .addOption(new Option("--by <what>", "how to divide it").choices(WAYS).default("function"))
    .addHelpText(
      "after",
      examples(
        "meridian usage",
        "meridian usage hello --by version",
        "meridian usage --from 2026-11-01 --to 2026-11-07 --by day",
        "meridian usage hello --from 2026-11-21T13:00Z --by hour --json",
        "meridian usage --all-tenants --by tenant",
      ),
    )
    .action(async (functionName, flags) => {
      const query = new URLSearchParams({ limit: String(PAGE_ITEMS), ...divided(flags.by) });
      if (functionName !== undefined) query.set("function", functionName);
      if (flags.from !== undefined) query.set("from", flags.from);
      if (flags.to !== undefined) query.set("to", flags.to);
      let client;
      if (flags.allTenants === true) client = await connectAsOperator(flags);
      else {
        const connection = await connectAsTenant(flags, flags.tenant);
        client = connection.client;
        query.set("tenant", connection.tenant);
      }
      const page = await allPages(async (cursor) => {
        if (cursor !== undefined) query.set("cursor", cursor);
        return client.json(UsagePage, { path: `/v1/usage?${query.toString()}` });
      });
      if (flags.json === true) return printDocument(page);
      printLine(describeUsage(page, flags.by, flags.allTenants === true || flags.by === "tenant"));
      warn(page);
    });
}

const divided = (by: Way): Record<string, string> =>
  by === "hour" || by === "day" ? { interval: by } : { by };

/** As one page; a zone that was silent for one of them is named. */
async function allPages(
  read: (cursor: string | undefined) => Promise<UsagePage>,
): Promise<UsagePage> {
  let all = await read(undefined);
  for (let pages = 1; all.next !== null && pages < PAGES_MAX; pages += 1) {
    const more = await read(all.next);
    all = {
      ...more,
      items: [...all.items, ...more.items],
      silentZones: [...new Set([...all.silentZones, ...more.silentZones])],
      incompleteZones: [...new Set([...all.incompleteZones, ...more.incompleteZones])],
    };
  }
  return all;
}

function describeUsage({ items, fromMs, toMs }: UsagePage, by: Way, isOfAll: boolean): string {
  const range = `from ${formatHour(fromMs)} to ${formatHour(toMs)}`;
  if (items.length === 0) return `nothing was used ${range}`;
  const keys = keyColumns(by).filter(({ title }) => isOfAll || title !== "TENANT");
  const rows = items.map((item) => [
    ...keys.map(({ read }) => read(item)),
    String(item.invocations),
    String(item.errors),
    String(item.initErrors),
    String(item.coldStarts),
    (item.billedMs / 1_000).toFixed(3),
    item.gigabyteSeconds.toFixed(3),
    formatBytes(item.egressBytes),
  ]);
  const counts = ["CALLS", "ERRORS", "INIT ERRORS", "COLD", "SECONDS", "GB-SECONDS", "SENT"];
  return `${range}\n\n${formatTable([...keys.map(({ title }) => title), ...counts], rows)}`;
}

interface Column {
  readonly title: string;
  readonly read: (item: UsageItem) => string;
}

function keyColumns(by: Way): readonly Column[] {
  const tenant = { title: "TENANT", read: (item: UsageItem) => item.tenant };
  const named = { title: "FUNCTION", read: (item: UsageItem) => item.functionName ?? "-" };
  switch (by) {
    case "tenant":
      return [tenant];
    case "function":
      return [tenant, named];
    case "version":
      return [tenant, named, { title: "VERSION", read: ({ version }) => String(version ?? "-") }];
    case "zone":
      return [tenant, named, { title: "ZONE", read: ({ zone = "-" }) => zone }];
    case "hour":
    case "day":
      return [{ title: "START", read: startOf(by) }, tenant, named];
  }
}

/** Of hours that are old only the day is known. */
const startOf =
  (by: "hour" | "day") =>
  ({ startMs, endMs }: UsageItem): string => {
    const [day] = new Date(startMs).toISOString().split("T");
    return by === "day" || endMs - startMs > 3_600_000 ? String(day) : formatHour(startMs);
  };

const formatHour = (wallMs: number): string => `${new Date(wallMs).toISOString().slice(0, 16)}Z`;

function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}

function warn({ silentZones, incompleteZones, next }: UsagePage): void {
  if (silentZones.length > 0)
    process.stderr.write(
      `no answer from ${silentZones.join(", ")}: what ran there is not in these figures\n`,
    );
  if (incompleteZones.length > 0)
    process.stderr.write(`${incompleteZones.join(", ")} could not write all of it to disk yet\n`);
  if (next !== null) process.stderr.write("there is more: ask for less time, or divide it less\n");
}
