/*
 * Answers that are streamed, as on AWS Lambda: the global `awslambda`, and the stream that such a handler writes to.
 */
const { finished, Writable } = process.getBuiltinModule("node:stream");

/** STREAM_CREDIT_BYTES of lib/contracts/instance-frames.ts. */
const CREDIT_BYTES = 256 * 1024;
const PART_BYTES_MAX = 64 * 1024;
const DEFAULT_CONTENT_TYPE = "application/octet-stream";
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");

const answers = new WeakMap();

/** Before the handler's module is loaded, which uses it at once. */
export function installStreaming() {
  globalThis.awslambda = {
    streamifyResponse: (handler, options) => {
      handler[STREAMING] = "response";
      if (typeof options?.highWaterMark === "number")
        handler[Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark")] =
          options.highWaterMark;
      return handler;
    },
    HttpResponseStream: {
      from: (stream, head) => {
        const answer = answers.get(stream);
        if (answer === undefined)
          throw new TypeError(
            "HttpResponseStream.from takes the stream that the handler was given",
          );
        answer.setHead(head ?? {});
        return stream;
      },
    },
  };
}

export const isStreaming = (handler) => handler[STREAMING] === "response";

/** The stream of one call; `head` is sent before its first byte, parts as far as the credit goes. */
export function openAnswer(send) {
  let credit = CREDIT_BYTES;
  let said = {};
  let isBegun = false;
  let onCredit;

  const begin = () => {
    if (isBegun) return;
    isBegun = true;
    send.head(withContentType(said));
  };
  /** Sends what it may; `done` is called when all of it is sent. */
  const sendParts = (bytes, done) => {
    let from = 0;
    while (from < bytes.length && credit > 0) {
      const part = bytes.subarray(from, from + Math.min(PART_BYTES_MAX, credit));
      credit -= part.length;
      from += part.length;
      send.part(part);
    }
    if (from === bytes.length) return done();
    const rest = bytes.subarray(from);
    onCredit = () => sendParts(rest, done);
  };
  const stream = new Writable({
    highWaterMark: PART_BYTES_MAX,
    write: (chunk, encoding, done) => {
      begin();
      sendParts(chunk, done);
    },
    final: (done) => {
      begin();
      done();
    },
    destroy: (error, done) => {
      onCredit = undefined;
      done(error);
    },
  });
  stream.setContentType = (contentType) => {
    said = { ...said, headers: { ...said.headers, "content-type": contentType } };
  };
  const answer = {
    stream,
    /** Resolves when the handler has ended it; rejects when it is destroyed before. */
    ended: new Promise((resolve, reject) => {
      finished(stream, (error) => (error ? reject(error) : resolve()));
    }),
    credit: (bytes) => {
      credit += bytes;
      const goOn = onCredit;
      onCredit = undefined;
      goOn?.();
    },
    setHead: (head) => {
      if (isBegun) throw new Error("the answer has begun: its head cannot be said any more");
      said = head;
    },
  };
  // Who waits for it hears of it; until then it must not end the process.
  answer.ended.catch(() => {});
  stream.on("error", () => {});
  answers.set(stream, answer);
  return answer;
}

function withContentType({ statusCode, headers, cookies }) {
  const hasType = Object.keys(headers ?? {}).some((name) => name.toLowerCase() === "content-type");
  return {
    statusCode,
    headers: hasType ? headers : { "content-type": DEFAULT_CONTENT_TYPE, ...headers },
    cookies,
  };
}
