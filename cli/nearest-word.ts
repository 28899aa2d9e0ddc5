/** Two words that begin with so many of the same letters are one, said in two ways. */
const ALIKE_MIN = 4;

/** The known word that was probably meant: it begins alike, or few letters differ. Undefined where nothing is near. */
export function nearestWord(word: string, known: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const [alike] = known
    .map((one) => ({ one, letters: lettersAlike(lower, one.toLowerCase()) }))
    .filter(({ one, letters }) => letters >= Math.min(ALIKE_MIN, word.length, one.length))
    .toSorted((a, b) => b.letters - a.letters);
  if (alike !== undefined) return alike.one;
  const far = Math.max(2, Math.floor(word.length / 3));
  const [nearest] = known
    .map((one) => ({ one, edits: editsBetween(lower, one.toLowerCase()) }))
    .filter(({ edits }) => edits <= far)
    .toSorted((a, b) => a.edits - b.edits);
  return nearest?.one;
}

function lettersAlike(one: string, other: string): number {
  const differs = one.split("").findIndex((letter, index) => letter !== other[index]);
  return differs === -1 ? one.length : differs;
}

/** Letters to insert, remove or replace (Levenshtein). */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, letter] of from.split("").entries()) {
    const next = [i + 1];
    for (const [j, other] of to.split("").entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
