import type { RoutingReceipt } from "#lib/contracts/routing-receipt.ts";

/** Some readers of headers take no more than a few kilobytes for all of them. */
export const RECEIPT_BYTES_MAX = 1_024;

/** Reasons are shortened until it fits. */
const REASON_CHARACTERS = [200, 100, 50, 0];

/** As one header: JSON in ASCII, of at most `RECEIPT_BYTES_MAX`. */
export function encodeReceipt(receipt: RoutingReceipt): string {
  const texts = REASON_CHARACTERS.map((characters) => asciiJson(withReasons(receipt, characters)));
  const fitting = texts.find(({ length }) => length <= RECEIPT_BYTES_MAX);
  return fitting ?? asciiJson({ ...receipt, attempts: receipt.attempts.slice(-1).map(bare) });
}

function withReasons(receipt: RoutingReceipt, characters: number): RoutingReceipt {
  const attempts = receipt.attempts.map((attempt) =>
    attempt.reason === undefined || attempt.reason.length <= characters
      ? attempt
      : { ...bare(attempt), ...(characters > 0 && { reason: cut(attempt.reason, characters) }) },
  );
  return { ...receipt, attempts };
}

type ReceiptAttempt = RoutingReceipt["attempts"][number];

const bare = ({ reason: _reason, ...attempt }: ReceiptAttempt): ReceiptAttempt => attempt;

const cut = (reason: string, characters: number): string => `${reason.slice(0, characters - 1)}…`;

/** Other characters are not safe in a header. */
const asciiJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
