process.stderr.write("not today\n");
process.exit(3);

export const handler = () => "never";
