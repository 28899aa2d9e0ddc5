/**
 * Milliseconds of the system's monotonic clock, which is one for all processes of this machine, so that times taken by
 * different processes can be compared. Says nothing about the time of day.
 */
export const machineNowMs = (): number => Number(process.hrtime.bigint()) / 1e6;
