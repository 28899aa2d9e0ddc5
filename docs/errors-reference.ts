import { ERRORS } from "#lib/errors.ts";

/** `docs/reference/errors.md`, from the one table of errors. */
export function errorsReference(): string {
  const rows = Object.entries(ERRORS)
    .toSorted(
      ([a, { status: statusA }], [b, { status: statusB }]) => statusA - statusB || (a < b ? -1 : 1),
    )
    .map(
      ([code, { status, retryable, title }]) =>
        `| ${status} | \`${code}\` | ${retryable ? "yes" : "no"} | ${title} |`,
    );
  return `# Errors

Generated from [lib/errors.ts](../../lib/errors.ts) by \`npm run docs\`.

Every failure of the platform is answered as \`application/problem+json\` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)):
\`code\` is from this table, \`detail\` says what happened and what to do, \`retryable\` whether the same call may succeed later.
A function's own error is not one of these: \`:invoke\` answers 200 with \`Meridian-Function-Error\`.

| status | code | may succeed later | title |
|---|---|---|---|
${rows.join("\n")}
`;
}
