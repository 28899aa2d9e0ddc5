/* What test/contract/streaming.contract.ts asks of a handler that streams. */
import { act } from "./streaming-acts.mjs";

const { streamifyResponse, HttpResponseStream } = awslambda;

const streaming = (name) =>
  streamifyResponse(async (event, stream, context) => {
    const begin = (head) => HttpResponseStream.from(stream, head);
    await act(name, event, { stream, begin, signal: context.signal });
  });

export const waitsForFile = streaming("waitsForFile");
export const writesMuch = streaming("writesMuch");
export const breaksOff = streaming("breaksOff");
export const neverEnds = streaming("neverEnds");
export const saysHead = streaming("saysHead");
export const saysNothing = streaming("saysNothing");
export const exits = streaming("exits");
