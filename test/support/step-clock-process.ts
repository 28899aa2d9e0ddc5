/*
 * Preloaded with `--import` into a process under test: each SIGUSR2 steps its clock of the day by a day, forth and back, as an
 * operator or a broken time server would. The monotonic clock goes on as it was, which is what makes it one.
 */
const DAY_MS = 86_400_000;
let steppedMs = 0;

globalThis.Date = new Proxy(Date, {
  construct: (real, given, newTarget: new () => object) =>
    Reflect.construct(real, given.length === 0 ? [real.now() + steppedMs] : given, newTarget),
  get: (real, name) =>
    name === "now" ? () => real.now() + steppedMs : (Reflect.get(real, name) as unknown),
});

process.on("SIGUSR2", () => {
  steppedMs = steppedMs > 0 ? -DAY_MS : DAY_MS;
});
