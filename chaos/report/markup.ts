/** Text that is already markup. There is no other way into a page than through `markup`, which escapes everything else. */
export interface Markup {
  readonly text: string;
}

type Piece = Markup | readonly Markup[] | string | number;

export function markup(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Markup {
  const rendered = pieces.map((piece) => {
    if (typeof piece === "string" || typeof piece === "number") return escapeText(String(piece));
    return "text" in piece ? piece.text : piece.map(({ text }) => text).join("");
  });
  return { text: String.raw({ raw: strings }, ...rendered) };
}

export const nothing: Markup = { text: "" };

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
/** Not even as an entity may these be in XML. */
// oxlint-disable-next-line no-control-regex -- exactly the control characters are meant
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

/** For text and attributes of HTML and XML alike. */
export const escapeText = (text: string): string =>
  text
    .replaceAll(FORBIDDEN, "\ufffd")
    .replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
