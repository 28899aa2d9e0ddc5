module.exports = { handler: () => ({ way: "nested" }) };
