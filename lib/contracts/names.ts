import { Type } from "typebox";

/** A DNS label: safe in host names, file names, log fields and Kubernetes objects alike (RFC 1123, 63 characters). */
export const NAME_PATTERN = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

export const Name = Type.String({ pattern: NAME_PATTERN, maxLength: 63 });
/** A SHA-256 digest with its algorithm, as OCI images name content. */
export const DIGEST_PATTERN = "^sha256:[0-9a-f]{64}$";
export const Digest = Type.String({ pattern: DIGEST_PATTERN });
export const VersionNumber = Type.Integer({ minimum: 1, maximum: 1_000_000_000 });

/** The alias that every deploy moves and every plain invocation follows. */
export const LIVE_ALIAS = "live";
