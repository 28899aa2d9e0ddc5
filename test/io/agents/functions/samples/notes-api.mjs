// A small HTTP API behind a function URL or an API Gateway, payload 2.0.
const notes = new Map();

const answer = (statusCode, body, headers = {}) => ({
  statusCode,
  headers: { "Content-Type": "application/json", ...headers },
  body: JSON.stringify(body),
});

export const handler = async (event) => {
  const { method } = event.requestContext.http;
  const text = event.isBase64Encoded ? Buffer.from(event.body, "base64").toString() : event.body;
  switch (`${method} ${event.rawPath}`) {
    case "GET /notes":
      return answer(200, { tag: event.queryStringParameters?.tag ?? null, count: notes.size });
    case "POST /notes": {
      if (!text) return answer(400, { message: "no body" });
      const note = JSON.parse(text);
      notes.set(note.id, note);
      return {
        ...answer(201, note, { Location: `/notes/${note.id}` }),
        cookies: ["last=1; HttpOnly"],
      };
    }
    default:
      return answer(404, { message: `no ${event.rawPath}` });
  }
};
