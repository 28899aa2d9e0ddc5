import { setTimeout as delay } from "node:timers/promises";

/** Waits for what the programs under test reach at their own pace; fails by name after 15 s. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endsAtMs = performance.now() + 15_000;
  while (!(await isSo())) {
    if (performance.now() > endsAtMs) throw new Error(`it never came true: ${what}`);
    await delay(20);
  }
}
