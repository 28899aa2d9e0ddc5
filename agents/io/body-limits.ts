import { BODY_BYTES_MAX } from "#lib/contracts/invocation.ts";
import { MeridianError } from "#lib/errors.ts";

export const bodyTooLarge = (): MeridianError =>
  new MeridianError(
    "MERIDIAN_BODY_TOO_LARGE",
    `A call's body has at most ${BODY_BYTES_MAX} bytes; pass a reference to larger data instead.`,
  );

export const bodyBrokeOff = (): MeridianError =>
  new MeridianError("MERIDIAN_BAD_REQUEST", "The call broke off before its body was complete.");
