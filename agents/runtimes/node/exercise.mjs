/** What a runner loads and calls before it has a function. */
export const handler = async (event) => event;
