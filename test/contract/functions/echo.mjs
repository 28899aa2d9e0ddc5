export const handler = async (event, context) => ({
  event,
  requestId: context.awsRequestId,
  remainingMs: context.getRemainingTimeInMillis(),
});
