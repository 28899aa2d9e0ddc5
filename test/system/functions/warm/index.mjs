/** Says which process answered. */
export const handler = () => ({ pid: process.pid });
