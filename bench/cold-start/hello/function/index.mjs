export const handler = (event) => ({ greeting: `Hello, ${event.name}` });
