import type { Command } from "@commander-js/extra-typings";
import { FederationStatus, type WaveView, type ZoneStatus } from "#lib/contracts/api-status.ts";
import type { ShiftRecord } from "#lib/contracts/control-records.ts";
import type { ZoneShares } from "#lib/contracts/operator-api.ts";
import { TIERS } from "#lib/plan/placement-class.ts";
import { connectedCommand } from "../command-options.ts";
import { connectAsOperator } from "../connect.ts";
import { formatAge, formatTable, printDocument, printable, printLine } from "../print.ts";
import { describeMode, describeState } from "./cluster.ts";
import { describeShift, leftOf } from "./shift.ts";

/** Enough to find it among the versions. */
const DIGEST_CHARACTERS_SHOWN = 19;

export function registerStatus(program: Command): void {
  connectedCommand(
    program,
    "status",
    "show zones, clusters, replicas, gateways and instances",
  ).action(async (flags) => {
    const client = await connectAsOperator(flags);
    const status = await client.json(FederationStatus, { path: "/v1/status" });
    if (flags.json === true) return printDocument(status);
    printLine(describeFederation(status));
  });
}

function describeFederation(status: FederationStatus): string {
  const lines = [
    `leader: ${status.leader ?? "none"}   catalog: ${status.catalog}   witness: ${status.witness}`,
    "",
    formatTable(
      [
        "ZONE",
        "CLUSTER",
        "STATE",
        "MODE",
        "WEIGHT",
        "ISOLATION",
        "REPLICA",
        "REVISION",
        "INSTANCES",
        "RECEIVERS",
      ],
      status.zones.map(zoneRow),
    ),
  ];
  if (status.shares !== undefined && status.shares.length > 0)
    lines.push("", ...status.shares.map(sharesLine));
  if (status.shifts !== undefined && status.shifts.length > 0)
    lines.push("", ...status.shifts.map(shiftLine));
  const instances = status.zones.flatMap(instanceRows);
  if (instances.length > 0)
    lines.push(
      "",
      formatTable(
        ["FUNCTION", "VERSION", "ZONE", "STARTING", "IDLE", "BUSY", "QUEUED"],
        instances.toSorted(byCells),
      ),
    );
  for (const line of status.zones.flatMap(failingLines)) lines.push("", line);
  for (const line of status.zones.flatMap(shortLines)) lines.push("", line);
  for (const { clusterId, codeMissing = 0 } of status.zones)
    if (codeMissing > 0)
      lines.push("", `${clusterId} does not hold the code of ${codeMissing} archives yet`);
  for (const line of status.zones.flatMap(codeTroubleLines)) lines.push("", line);
  for (const { clusterId, quarantined = 0 } of status.zones)
    if (quarantined > 0)
      lines.push(
        "",
        `${clusterId} runs ${quarantinedVersions(quarantined)}: not called, and kept until idle`,
      );
  for (const { zone, wave } of status.zones)
    if (wave !== undefined) lines.push("", waveLine(zone, wave));
  lines.push(...status.zones.flatMap(troubleLines));
  if (status.silentZones.length > 0)
    lines.push("", `no answer from: ${status.silentZones.join(", ")}`);
  return lines.join("\n");
}

const quarantinedVersions = (count: number): string =>
  `${count} ${count === 1 ? "version" : "versions"} that its table does not know`;

/** What `meridian catalog status` tells more of. */
function troubleLines({ zone, replicaTroubles }: ZoneStatus): string[] {
  if (replicaTroubles === undefined) return [];
  const { strandedRecords, heldBackFunctions, catalogRefused, repairedRecords } = replicaTroubles;
  const parts = [
    catalogRefused === null ? "" : `does not follow the catalog it finds (${catalogRefused})`,
    strandedRecords === 0 ? "" : `keeps ${strandedRecords} records that the catalog lost`,
    heldBackFunctions === 0 ? "" : `holds back the removal of ${heldBackFunctions} functions`,
    repairedRecords === 0 ? "" : `repaired ${repairedRecords} records of its replica`,
  ].filter((part) => part !== "");
  return ["", `${zone} ${parts.join(", ")}: see \`meridian catalog status\``];
}

/** `eu-west's calls: eu-west-1 70 %, us-east-1 30 %; shed: batch 20 %` */
function sharesLine({ zone, clusters, shedPercent }: ZoneShares): string {
  const takers = clusters.filter(({ percent }) => percent > 0);
  const shed = TIERS.filter((tier) => (shedPercent[tier] ?? 0) > 0);
  const parts = takers.map(({ clusterId, percent }) => `${clusterId} ${percent} %`);
  const lost = shed.map((tier) => `${tier} ${shedPercent[tier]} %`);
  const shares = parts.length === 0 ? "no cluster" : parts.join(", ");
  return `${zone}'s calls: ${shares}${lost.length === 0 ? "" : `; shed: ${lost.join(", ")}`}`;
}

/** `shift sh-4k2j8x0q1z: 50 % of us-east-1 → eu-west-1, for 12 min (slow disks)` */
function shiftLine(record: ShiftRecord): string {
  const why = record.reason === "" ? "" : ` (${record.reason})`;
  return printable(`shift ${record.id}: ${describeShift(record)}, for ${leftOf(record)}${why}`);
}

/** `eu-west holds back the table of revision 812: refused by eu-west.gateway.1 (…)` */
function waveLine(zone: string, { revision, state, receiver, reason }: WaveView): string {
  const by = receiver === undefined ? "" : ` by ${receiver}`;
  const why = reason === undefined ? "" : ` (${reason})`;
  return `${zone} holds back the table of revision ${revision}: ${state}${by}${why}`;
}

function zoneRow(zone: ZoneStatus): string[] {
  const { cluster, position, replicaAgeMs } = zone;
  return [
    zone.zone,
    zone.clusterId,
    cluster === null ? "unknown" : describeState(cluster),
    cluster === null ? "-" : describeMode(cluster),
    cluster === null ? "-" : `${cluster.weightPercent} %`,
    cluster?.isolationLevel ?? "-",
    zone.isReachable
      ? replicaAgeMs === null
        ? "-"
        : `${formatAge(replicaAgeMs)} old`
      : "unreachable",
    position === null ? "-" : String(position.revision),
    String(
      zone.instances.reduce((sum, { starting, idle, busy }) => sum + starting + idle + busy, 0),
    ),
    receivers(zone),
  ];
}

function receivers({ receivers: all, position }: ZoneStatus): string {
  const current = all.filter(
    (receiver) => receiver.position?.revision === position?.revision && receiver.refused === null,
  );
  const refused = all.filter((receiver) => receiver.refused !== null);
  const refusals =
    refused.length === 0 ? "" : `, refused by ${refused.map((one) => one.receiver).join(", ")}`;
  return `${current.length} of ${all.length} current${refusals}`;
}

const instanceRows = ({ zone, instances }: ZoneStatus): string[][] =>
  instances.map((one) => [
    `${one.tenant}/${one.functionName}`,
    String(one.version),
    zone,
    String(one.starting),
    String(one.idle),
    String(one.busy),
    String(one.queued),
  ]);

/** `demo/hello version 3 does not start in eu-west: Runtime.ImportModuleError, 7 times in a row; tried again in 12 s` */
const failingLines = ({ zone, instances }: ZoneStatus): string[] =>
  instances.flatMap(({ tenant, functionName, version, failing }) =>
    failing === undefined
      ? []
      : [
          printable(
            `${tenant}/${functionName} version ${version} does not start in ${zone}: ${failing.errorType}, ` +
              `${failing.failures} times in a row; tried again ${whenOf(failing.retryInMs)}`,
          ),
        ],
  );

/** `eu-west-1 cannot use sha256:1b2c3d4e5f60… (MERIDIAN_CODE_INVALID, 3 times): …; tried again in 12 s` */
const codeTroubleLines = ({ clusterId, codeTroubles = [] }: ZoneStatus): string[] =>
  codeTroubles.map(({ digest, code, detail, failures, retryInMs }) =>
    printable(
      `${clusterId} cannot use ${digest.slice(0, DIGEST_CHARACTERS_SHOWN)}… (${code}, ${failures} ${failures === 1 ? "time" : "times"}): ` +
        `${detail} Tried again ${whenOf(retryInMs)}.`,
    ),
  );

/** `demo/hello version 3 has 29 of the 500 instances that it shall have in eu-west: there is no room for more` */
const shortLines = ({ zone, instances }: ZoneStatus): string[] =>
  instances.flatMap(
    ({ tenant, functionName, version, starting, idle, busy, wanted, stuck = 0 }) => {
      const name = `${tenant}/${functionName} version ${version}`;
      const has = starting + idle + busy;
      return [
        ...(wanted === undefined
          ? []
          : [
              `${name} has ${has} of the ${wanted} instances that it shall have in ${zone}: there is no room for more`,
            ]),
        ...(stuck === 0
          ? []
          : [
              `${stuck} instances of ${name} were to end in ${zone} and do not: see its agent's log`,
            ]),
      ];
    },
  );

const whenOf = (retryInMs: number): string =>
  retryInMs === 0 ? "with the next call" : `in ${formatAge(retryInMs)}`;

const byCells = (one: readonly string[], other: readonly string[]): number =>
  one.join(" ").localeCompare(other.join(" "));
