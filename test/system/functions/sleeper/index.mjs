export const handler = async (event) => {
  await new Promise((wake) => setTimeout(wake, event.sleepMs));
  return { pid: process.pid };
};
