/** The largest value of the last `slots` slots of time: Knative's `max.TimeWindow`. The oldest is the largest. */
export type DelayWindow = readonly { readonly slot: number; readonly value: number }[];

/** Records a value for the slot; of several in one slot the largest counts. */
export function recordLargest(
  window: DelayWindow,
  value: number,
  slot: number,
  slots: number,
): DelayWindow {
  const larger = window.filter((entry) => entry.value > value && slot - entry.slot < slots);
  return larger.at(-1)?.slot === slot ? larger : [...larger, { slot, value }];
}

export const largestOf = (window: DelayWindow): number => window[0]?.value ?? 0;
