import { type Static, Type } from "typebox";
import { DiscoveryConfig } from "#lib/contracts/discovery-config.ts";
import { Name } from "#lib/contracts/names.ts";
import { Zone } from "#lib/contracts/zone.ts";

const Port = Type.Integer({ minimum: 0, maximum: 65_535 });

const TlsConfig = Type.Object(
  {
    /** 0: any free port. */
    port: Port,
    /** PEM; the certificate first, then those that lead to its root. */
    certificateFile: Type.String({ minLength: 1 }),
    keyFile: Type.String({ minLength: 1 }),
  },
  { additionalProperties: false },
);

export const GatewayConfig = Type.Object(
  {
    zone: Name,
    /** The whole federation, this zone included. */
    zones: Type.Array(Zone, { minItems: 1 }),
    runDirectory: Type.String({ minLength: 1 }),
    discovery: DiscoveryConfig,
    bootTokenFile: Type.String({ minLength: 1 }),
    stateDirectory: Type.String({ minLength: 1 }),
    logLevel: Type.String({ default: "info" }),
    host: Type.String({ default: "127.0.0.1" }),
    /** This zone's gateways alone; 0: any free port. */
    publicPort: Port,
    /** Others of the zone listen there too: further workers, or the one that takes this one's place. */
    sharesPublicPort: Type.Boolean({ default: false }),
    /** Which of the zone's gateways on this machine this one is, and how many of them are to serve. */
    worker: Type.Integer({ minimum: 1, default: 1 }),
    workers: Type.Integer({ minimum: 1, default: 1 }),
    /** Shared with the other gateways of the machine; 0: none. */
    sharedPort: Port,
    /** `off` sends every call to its nearest cluster whatever is known of it: what drills prove themselves red with. */
    failover: Type.Union([Type.Literal("on"), Type.Literal("off")], { default: "on" }),
    /** Addresses and networks whose `X-Forwarded-For` and edge headers are believed. */
    trustedProxies: Type.Array(Type.String(), { default: [] }),
    /** Headers in which a trusted edge names the caller's country. */
    edgeCountryHeaders: Type.Array(Type.String({ pattern: "^[a-z0-9-]+$" }), {
      default: ["cf-ipcountry", "x-client-region"],
    }),
    /** An MMDB of countries; without it the one that comes along. */
    geoDatabase: Type.Optional(Type.String()),
    connectionsMax: Type.Integer({ minimum: 1, default: 20_000 }),
    /** From one address, or one network of 64 bits in IPv6; trusted proxies may have more. */
    connectionsPerAddressMax: Type.Integer({ minimum: 1, default: 5_000 }),
    /** HTTPS, with HTTP/2 for those who ask for it; the files are read again when they change. Without it: no HTTPS. */
    tls: Type.Optional(TlsConfig),
    /** How long callers may take to send the headers of a request. */
    headersTimeoutMs: Type.Integer({ minimum: 100, default: 10_000 }),
    /** How long a connection is kept without a request. */
    idleTimeoutMs: Type.Integer({ minimum: 100, default: 65_000 }),
    /** How long a caller may stand still while it sends a body or takes an answer. */
    stallMs: Type.Integer({ minimum: 100, default: 10_000 }),
    /** A body that comes, or an answer that is taken, more slowly than this is cut off. */
    bytesPerSecondMin: Type.Integer({ minimum: 1, default: 1_024 }),
    /**
     * Where a round trip to an agent takes no longer than this, calls of functions that are not idempotent start only when the
     * gateway has said `go`: a cluster that hangs then doubles none of them.
     */
    goRoundTripMaxMs: Type.Number({ minimum: 0, default: 5 }),
    /** A table that was not confirmed for longer decides on no function with a placement; 0: it always does. */
    securityMaxAgeMs: Type.Integer({ minimum: 0, default: 3_600_000 }),
    /** The share of requests that the access log has, chosen by their traces; errors and slow calls are always in it. */
    accessLogShare: Type.Number({ minimum: 0, maximum: 1, default: 1 }),
    /** Where sampled calls are told to as spans: a collector that takes OTLP over HTTP, `/v1/traces` left out. Without it: nowhere. */
    otlpEndpoint: Type.Optional(Type.String({ pattern: "^https?://[^/]" })),
    /** A call that takes this much longer than its function ran is told in the log, with the stage that took it. */
    slowAfterMs: Type.Integer({ minimum: 1, default: 1_000 }),
    /** Whether plain requests over HTTP/1.1 without TLS take the shorter way; answers are the same. */
    fastLane: Type.Union([Type.Literal("on"), Type.Literal("off")], { default: "off" }),
    /** How long a gateway that stops still takes new connections once it says that it is not ready: for load balancers to notice. */
    noticeMs: Type.Integer({ minimum: 0, default: 0 }),
    /** How long after that idle connections are kept: who sends another request is told to connect anew, and not cut off. */
    lingerMs: Type.Integer({ minimum: 0, default: 1_000 }),
    /** How long running calls may take to end when the gateway stops. */
    drainMs: Type.Integer({ minimum: 0, default: 30_000 }),
  },
  { additionalProperties: false },
);
export type GatewayConfig = Static<typeof GatewayConfig>;
