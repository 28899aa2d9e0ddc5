import pino from "pino";

/** What the programs log is not part of the simulation; the trace tells the story. */
export const silentLog = pino({ enabled: false });
