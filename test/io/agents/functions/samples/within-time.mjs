// Does as much as its time allows, and says how far it came.
const RESERVE_MS = 500;

export const handler = async (event, context) => {
  const before = context.getRemainingTimeInMillis();
  let done = 0;
  while (done < event.steps && context.getRemainingTimeInMillis() > RESERVE_MS) {
    await new Promise((resolve) => setTimeout(resolve, event.stepMs));
    done += 1;
  }
  return { done, isLess: context.getRemainingTimeInMillis() < before };
};
