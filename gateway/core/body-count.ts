/** Bytes of a request's body that were read, and of its answer's that were handed to its connection; of an upgrade all that was said. */
export interface BodyCount {
  requestBytes: number;
  answerBytes: number;
}

export const noBytes = (): BodyCount => ({ requestBytes: 0, answerBytes: 0 });
