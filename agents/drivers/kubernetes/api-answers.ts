import { ClusterRefusal } from "./cluster-refusal.ts";

/** What the client makes of an answer, or of none, becomes a ClusterRefusal. */
export async function told<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw refusalOf(error);
  }
}

export function refusalOf(error: unknown): ClusterRefusal {
  const { body, headers } = (typeof error === "object" && error !== null ? error : {}) as {
    body?: unknown;
    headers?: Readonly<Record<string, string>>;
  };
  const status = numberOf(error, "code") ?? numberOf(error, "statusCode") ?? 0;
  const retryAfterSeconds = Number(headers?.["retry-after"]);
  return new ClusterRefusal(
    {
      status,
      message: messageOf(body) ?? (error instanceof Error ? error.message : String(error)),
      retryAfterMs: retryAfterSeconds > 0 ? retryAfterSeconds * 1_000 : undefined,
    },
    error,
  );
}

/** The answer is a `Status`, as it came or as the client read it. */
function messageOf(body: unknown): string | undefined {
  let said = body;
  if (typeof body === "string")
    try {
      said = JSON.parse(body);
    } catch {
      return body;
    }
  const { message } = (typeof said === "object" && said !== null ? said : {}) as {
    message?: unknown;
  };
  return typeof message === "string" ? message : undefined;
}

export function numberOf(error: unknown, key: string): number | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const value = (error as Readonly<Record<string, unknown>>)[key];
  return typeof value === "number" ? value : undefined;
}
