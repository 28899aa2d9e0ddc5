const SANE_REQUEST_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** The caller's request id where it is sane, else a fresh one. */
export type RequestIds = (fromCaller: string | undefined) => string;

/** Fresh ids are a counter behind a prefix that is random for each process: unique, and nearly free. */
export function createRequestIds(processPrefix: string): RequestIds {
  let count = 0;
  return (fromCaller) => {
    if (fromCaller !== undefined && SANE_REQUEST_ID.test(fromCaller)) return fromCaller;
    count += 1;
    return `${processPrefix}-${count.toString(36)}`;
  };
}
