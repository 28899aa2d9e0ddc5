/** What a request demands of the thing it would change, by its ETag, which is the revision that wrote it last. */
export interface Precondition {
  /** The revision `If-Match` names, `any` for `*`, `none` for a tag that nothing has; without it the last writer wins. */
  readonly ifMatch: number | "any" | "none" | undefined;
  /** `If-None-Match: *`: only if there is no such thing yet. */
  readonly ifNew: boolean;
}

export const NO_PRECONDITION: Precondition = { ifMatch: undefined, ifNew: false };

/** Whether the thing is as demanded; `revision` is null when there is none. */
export function holds({ ifMatch, ifNew }: Precondition, revision: number | null): boolean {
  if (ifNew && revision !== null) return false;
  if (ifMatch === undefined) return true;
  return ifMatch === "any" ? revision !== null : ifMatch === revision;
}

/** `"17"` or `*`; anything else, weak tags included, is a tag that nothing has (RFC 9110, 13.1.1: the comparison is strong). */
export function parseIfMatch(header: string | undefined): Precondition["ifMatch"] {
  if (header === undefined) return undefined;
  if (header.trim() === "*") return "any";
  const revision = /^"(\d{1,15})"$/.exec(header.trim())?.[1];
  return revision === undefined ? "none" : Number(revision);
}
