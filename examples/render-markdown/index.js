import { marked } from "marked";

const HTML = "text/html; charset=utf-8";

/**
 * Markdown in, HTML out. Through `:invoke` the body is the text itself, or JSON `{markdown}`; through `/fn/…` it is what
 * is posted, and a GET answers with a form. HTML inside the Markdown is passed on as it is: render only what you trust.
 */
export function handler(event) {
  const http = event?.requestContext?.http;
  if (http === undefined) return render(textOf(event));

  switch (http.method) {
    case "GET":
    case "HEAD":
      return page(200, FORM);
    case "POST":
    case "PUT":
      return page(200, render(postedText(event)));
    default:
      return {
        ...page(405, "<p>Send the Markdown with POST.</p>\n"),
        headers: { "content-type": HTML, allow: "GET, POST, PUT" },
      };
  }
}

function render(markdown) {
  return marked.parse(markdown, { async: false });
}

function textOf(event) {
  if (typeof event === "string") return event;
  if (typeof event?.markdown === "string") return event.markdown;
  if (typeof event?.body === "string" && event.isBase64Encoded === true) return decode(event.body);
  throw new TypeError(
    'send the Markdown as the body (text/markdown), or as JSON: {"markdown": "# Title"}',
  );
}

/** The body as it was posted, or the field `markdown` of the form below. */
function postedText(event) {
  const body = event.isBase64Encoded ? decode(event.body ?? "") : (event.body ?? "");
  const type = event.headers?.["content-type"] ?? "";
  return type.startsWith("application/x-www-form-urlencoded")
    ? (new URLSearchParams(body).get("markdown") ?? "")
    : body;
}

function decode(base64) {
  return Buffer.from(base64, "base64").toString("utf8");
}

function page(statusCode, body) {
  return { statusCode, headers: { "content-type": HTML }, body };
}

const FORM = `<!doctype html>
<title>Render Markdown</title>
<form method="post">
  <p><textarea name="markdown" rows="16" cols="80"># Title</textarea></p>
  <p><button>Render</button></p>
</form>
`;
