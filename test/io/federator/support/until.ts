import { setTimeout as delay } from "node:timers/promises";

/** Waits for what the programs under test reach at their own pace; fails by name when it takes too long. */
export async function until(
  what: string,
  isSo: () => Promise<boolean>,
  limitMs = 60_000,
): Promise<void> {
  const endsAtMs = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > endsAtMs) throw new Error(`it never came true: ${what}`);
    await delay(20);
  }
}
