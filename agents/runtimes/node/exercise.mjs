/* What a runner loads and calls before it has a function: what most functions import, too, is ready then. */
import "node:fs";
import "node:net";
import "node:path";
import "node:stream";
import "node:url";
import "node:util";

export const handler = async (event) => event;
