/**
 * For what outlives one version of Meridian: records of the catalog and messages between its programs. A reader tolerates fields
 * it does not know, and a writer that changes a record keeps them, so that a version can run beside the next one.
 */
export const extensible = { additionalProperties: true } as const;
