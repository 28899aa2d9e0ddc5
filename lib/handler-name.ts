const FILE_AND_EXPORT = /^[A-Za-z0-9_./-]+\.[A-Za-z_$][A-Za-z0-9_$]*$/;

/** Whether it reads as `file.export`, which Node and Python need; a runtime of one's own may take any word. */
export const isFileAndExport = (handler: string): boolean => FILE_AND_EXPORT.test(handler);

const PROGRAM_ENDINGS = { node: /\.[mc]?js$/, python: /\.py$/ } as const;

/** Whether it names a file that the runtime can run, as `server.mjs`. */
export const isProgramFile = (handler: string, runtime: "node" | "python"): boolean =>
  PROGRAM_ENDINGS[runtime].test(handler);
