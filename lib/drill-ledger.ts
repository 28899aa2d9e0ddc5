/** What the names of functions begin with that drills deploy, to count what was run. */
export const DRILL_FUNCTIONS = "drill-ledger-";

/** The folder of their ledgers, the only one outside that such functions may write to: beside every zone, so that killing one takes no evidence along. */
export const drillLedgersOf = (stateDirectory: string): string => `${stateDirectory}/drill-ledgers`;
