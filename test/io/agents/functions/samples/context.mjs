// Hands back all that it was told of its call and its place.
export const handler = async (event, context) => {
  const {
    getRemainingTimeInMillis,
    signal,
    done,
    succeed,
    fail,
    traceparent,
    tracestate,
    ...said
  } = context;
  const names = [
    "_HANDLER",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "TZ",
    "LANG",
  ];
  const environment = Object.fromEntries(names.map((name) => [name, process.env[name]]));
  return { context: said, environment, runtime: process.env.LAMBDA_RUNTIME_DIR !== undefined };
};
