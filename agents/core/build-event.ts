import { FRAME_BYTES_MAX } from "#lib/contracts/instance-frames.ts";
import type { HttpRequestParts } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";
import { isTooLongAsJson } from "./json-text-bytes.ts";
import type { Call } from "./read-call.ts";

/** When the call arrived, for the HTTP door's event. */
export interface ArrivalTime {
  readonly epochMs: number;
  /** As web servers log it: `12/Mar/2020:19:03:58 +0000`. */
  readonly text: string;
}

/** What a frame to an instance takes, less its head. */
const EVENT_BYTES_MAX = FRAME_BYTES_MAX - 64 * 1024;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The handler's event as JSON text. A body that says it is JSON and is not fails with MERIDIAN_BODY_INVALID_JSON, one that becomes too
 * long as JSON with MERIDIAN_BODY_TOO_LARGE.
 */
export function buildEvent(call: Call, body: Buffer, arrival: ArrivalTime): Buffer {
  const event = eventOf(call, body, arrival);
  if (event.length > EVENT_BYTES_MAX) throw tooLong();
  return event;
}

const tooLong = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_BODY_TOO_LARGE",
    `As JSON the event has more than the ${EVENT_BYTES_MAX} bytes that are allowed: send binary data as it is, and not as text.`,
  );

function eventOf(call: Call, body: Buffer, arrival: ArrivalTime): Buffer {
  return call.door.kind === "invoke"
    ? invokeEvent(mediaType(call.contentType), body)
    : Buffer.from(JSON.stringify(httpEvent(call, call.door.request, body, arrival)));
}

function invokeEvent(type: string, body: Buffer): Buffer {
  if (body.length === 0) return Buffer.from("null");
  if (type === "application/json" || type.endsWith("+json")) return checkedJson(body);
  if (type.startsWith("text/")) return textEvent(body);
  return Buffer.from(JSON.stringify({ body: body.toString("base64"), isBase64Encoded: true }));
}

function textEvent(body: Buffer): Buffer {
  if (isTooLongAsJson(body, EVENT_BYTES_MAX)) throw tooLong();
  return Buffer.from(JSON.stringify(body.toString("utf8")));
}

/** The body itself: it is the event already, once it is known to be JSON. */
function checkedJson(body: Buffer): Buffer {
  try {
    JSON.parse(strictUtf8.decode(body));
    return body;
  } catch (cause) {
    throw new MeridianError(
      "MERIDIAN_BODY_INVALID_JSON",
      `The body is not JSON: ${cause instanceof Error ? cause.message : String(cause)}. Correct it, or send it with another content-type.`,
      { cause },
    );
  }
}

/** AWS Lambda's payload of function URLs, version 2.0. */
function httpEvent(call: Call, request: HttpRequestParts, body: Buffer, arrival: ArrivalTime) {
  const { headers, cookies, rawQuery } = request;
  const parameters = queryParameters(rawQuery);
  const text = bodyText(headers, body);
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: request.path,
    rawQueryString: rawQuery,
    ...(cookies.length === 0 ? {} : { cookies }),
    headers,
    ...(parameters === undefined ? {} : { queryStringParameters: parameters }),
    requestContext: {
      accountId: call.tenant,
      apiId: call.functionName,
      domainName: request.domainName,
      domainPrefix: request.domainName.split(".")[0],
      http: {
        method: request.method,
        path: request.path,
        protocol: "HTTP/1.1",
        sourceIp: request.sourceIp,
        userAgent: headers["user-agent"] ?? "",
      },
      requestId: call.requestId,
      routeKey: "$default",
      stage: "$default",
      time: arrival.text,
      timeEpoch: arrival.epochMs,
    },
    ...(body.length === 0 ? {} : { body: text ?? body.toString("base64") }),
    isBase64Encoded: text === undefined,
  };
}

/** Values of a name that comes more than once are joined with commas. */
function queryParameters(rawQuery: string): Readonly<Record<string, string>> | undefined {
  if (rawQuery === "") return undefined;
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(rawQuery)) {
    const before = parameters.get(name);
    parameters.set(name, before === undefined ? value : `${before},${value}`);
  }
  return Object.fromEntries(parameters);
}

/** The body as text where its type says so and it is; undefined where it has to go as base64. */
function bodyText(headers: Readonly<Record<string, string>>, body: Buffer): string | undefined {
  if (body.length === 0) return "";
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity" || !isTextType(mediaType(headers["content-type"] ?? "")))
    return undefined;
  const text = decodedOrNot(body);
  if (text !== undefined && isTooLongAsJson(body, EVENT_BYTES_MAX)) throw tooLong();
  return text;
}

function decodedOrNot(body: Buffer): string | undefined {
  try {
    return strictUtf8.decode(body);
  } catch {
    return undefined;
  }
}

const isTextType = (type: string): boolean =>
  type.startsWith("text/") ||
  /^application\/(?:json|javascript|xml)$/.test(type) ||
  /\+(?:json|xml)$/.test(type);

const mediaType = (contentType: string): string =>
  (contentType.split(";")[0] ?? "").trim().toLowerCase();
