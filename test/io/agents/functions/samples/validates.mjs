// Errors of its own, thrown from below.
class ValidationError extends Error {
  constructor(field) {
    super(`${field} is missing`);
    this.name = "ValidationError";
    this.field = field;
  }
}

const required = (event, field) => {
  if (event[field] === undefined) throw new ValidationError(field);
  return event[field];
};

export const handler = async (event) => ({ name: required(event, "name") });
