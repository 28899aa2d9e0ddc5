/* What test/contract/driver.contract.ts asks of a function, for the Node runtime. */
export const echoes = async (event, context) => ({ event, requestId: context.awsRequestId });
export const answersNothing = async () => {};
export const throws = async () => {
  throw new Error("too far");
};
export const neverAnswers = () => {
  for (;;);
};
export const exitsWith7 = () => process.exit(7);
export const printsOneLine = () => console.log("one line");
export const sleepsEventMs = async ({ ms }) => {
  await new Promise((wake) => setTimeout(wake, ms));
  return { ms };
};
