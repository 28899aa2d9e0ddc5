const failPercent = Number(process.env.FAIL_PERCENT ?? 0);
const slowMs = Number(process.env.SLOW_MS ?? 0);

export const handler = async () => {
  if (slowMs > 0) await new Promise((resolve) => setTimeout(resolve, slowMs));
  if (Math.random() * 100 < failPercent) throw new Error("this version is a bad one");
  return "well";
};
