// Works off a batch of messages, and names those that shall come again.
export const handler = async (event) => {
  const batchItemFailures = [];
  for (const record of event.Records) {
    try {
      const { amount } = JSON.parse(record.body);
      if (!(amount > 0)) throw new RangeError(`amount ${amount}`);
    } catch {
      batchItemFailures.push({ itemIdentifier: record.messageId });
    }
  }
  return { batchItemFailures };
};
