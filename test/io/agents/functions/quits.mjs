console.error("I will not start");
process.exit(3);
