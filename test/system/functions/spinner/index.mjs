export const handler = async () => {
  for (;;);
};
