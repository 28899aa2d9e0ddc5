/** What the API calls a part of a request, and whoever typed the command calls otherwise. */
const OPTIONS: ReadonlyMap<string, string> = new Map([
  ["alias", "the alias"],
  ["clusterId", "the cluster"],
  ["clustersMin", "--clusters-min"],
  ["from", "--from"],
  ["fromCluster", "--from"],
  ["function", "the function's name"],
  ["functionName", "the function's name"],
  ["homeRegion", "the region"],
  ["id", "the id"],
  ["limit", "--limit"],
  ["name", "the name"],
  ["reason", "--reason"],
  ["regions", "--region"],
  ["requestId", "--request"],
  ["tenant", "the tenant"],
  ["to", "--to"],
  ["toCluster", "--to"],
  ["value", "--value"],
  ["zones", "--zones"],
]);
/** What a choice of shapes says beside what is wrong with the one that was meant. */
const NOISE = /^must (?:be null|match a schema in anyOf)$/;

/** A refusal of the API for the shape of a request, told by the options and arguments that the request came from. */
export function inOptions(message: string): string {
  const [, list] = /^The (?:body|query|path|request) does not fit: (.*)\.$/s.exec(message) ?? [];
  const mistakes = list?.split("; ").map((text) => /^\/(\w+)\S* (.*)$/s.exec(text)) ?? [null];
  const said = new Set<string>();
  for (const mistake of mistakes) {
    const [, field = "", wording = ""] = mistake ?? [];
    const option = OPTIONS.get(field);
    if (option === undefined) return message;
    if (!NOISE.test(wording)) said.add(`${option} ${inWords(wording)}`);
  }
  return said.size === 0 ? message : `${[...said].join("; ")}.`;
}

const inWords = (wording: string): string =>
  wording
    .replace("not have fewer than 1 characters", "not be empty")
    .replaceAll(/(?<= )\/(\w+)/g, (path, field: string) => OPTIONS.get(field) ?? path);
