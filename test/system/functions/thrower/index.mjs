export const handler = async () => {
  throw new TypeError("on purpose");
};
