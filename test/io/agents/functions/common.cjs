exports.handler = async (event) => ({ way: "commonjs", event });
