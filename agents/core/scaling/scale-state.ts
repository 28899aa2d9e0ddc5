import type { KpaScaleState } from "./scale-by-kpa.ts";
import type { RequestState } from "./scale-by-requests.ts";

/** What one version's scaler remembers. */
export type ScaleState = RequestState | KpaScaleState;
