/** Its failback is manual: where it was lost, an operator decides when it returns. */
export const handler = () => "here";
