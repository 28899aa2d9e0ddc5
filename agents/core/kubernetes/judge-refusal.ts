/** What the API of a cluster answered instead of doing what it was asked. */
export interface Refusal {
  /** Of HTTP; 0: no answer came. */
  readonly status: number;
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
}

export type RefusalVerdict =
  /** The same request may succeed. */
  | { readonly kind: "again"; readonly afterMs: number }
  /** Not before somebody changes something; the sentence says what. */
  | { readonly kind: "stop"; readonly reason: string };

const AFTER_MIN_MS = 100;
const AFTER_MAX_MS = 5_000;

/** What becomes of a request that was refused for the `attempt`-th time, the first being 1. */
export function judgeRefusal(
  refusal: Refusal,
  attempt: number,
  attemptsMax: number,
): RefusalVerdict {
  const reason = describeRefusal(refusal);
  if (!isPassing(refusal) || attempt >= attemptsMax) return { kind: "stop", reason };
  const afterMs = refusal.retryAfterMs ?? AFTER_MIN_MS * 2 ** (attempt - 1);
  return { kind: "again", afterMs: Math.min(AFTER_MAX_MS, afterMs) };
}

const isPassing = ({ status }: Refusal): boolean => status === 0 || status === 429 || status >= 500;

/** For the owner of a function or of the cluster, by the words of https://github.com/kubernetes/kubernetes/tree/v1.36.3/plugin/pkg/admission */
export function describeRefusal({ status, message }: Refusal): string {
  const said = message.slice(0, 500);
  if (/exceeded quota/.test(message)) return `the namespace's quota is used up: ${said}`;
  if (/is being terminated/.test(message)) return `the namespace is being removed: ${said}`;
  if (/RuntimeClass .* not found/i.test(message))
    return `the cluster lacks the runtime class: ${said}`;
  if (/PriorityClass/.test(message)) return `the cluster lacks the priority class: ${said}`;
  if (/violates PodSecurity/.test(message))
    return `the namespace's Pod Security refuses it: ${said}`;
  if (/admission webhook/.test(message)) return `an admission webhook refuses it: ${said}`;
  switch (status) {
    case 0:
      return `the cluster's API does not answer: ${said}`;
    case 401:
      return `the cluster does not accept the agent's credentials: ${said}`;
    case 403:
      return `the agent lacks a permission (docs/kubernetes.md lists them): ${said}`;
    case 404:
      return `the cluster does not have it: ${said}`;
    case 409:
      return `somebody else owns fields of it: ${said}`;
    case 422:
      return `the cluster takes the manifest for invalid: ${said}`;
    case 429:
      return `the cluster throttles the agent: ${said}`;
    default:
      return `the cluster answered ${status}: ${said}`;
  }
}
