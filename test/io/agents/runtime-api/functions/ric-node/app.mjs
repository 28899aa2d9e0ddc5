export const greet = async (event, context) => ({
  text: `Hello ${event.name}`,
  requestId: context.awsRequestId,
  arn: context.invokedFunctionArn,
  function: `${context.functionName}@${context.functionVersion}`,
  memory: context.memoryLimitInMB,
  logs: `${context.logGroupName} ${context.logStreamName}`,
  remainingMs: context.getRemainingTimeInMillis(),
  pid: process.pid,
});

class NobodyError extends Error {
  name = "NobodyError";
}

export const fails = async () => {
  throw new NobodyError("nobody to greet");
};

export const prints = async () => {
  console.log("a line");
};

export const cannotBeJson = async () => 1n;

export const streams = awslambda.streamifyResponse(async (event, stream) => {
  for (const word of event.words) stream.write(word);
  stream.end();
});
