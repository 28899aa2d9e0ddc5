// Prints at every level there is.
exports.handler = async () => {
  for (const level of ["debug", "info", "log", "warn", "error"]) console[level]("at %s", level);
  return "printed";
};
