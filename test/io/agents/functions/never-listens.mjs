console.log("waiting for nothing");
setInterval(() => {}, 1_000);
