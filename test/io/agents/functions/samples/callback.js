// The oldest of styles: CommonJS, and an answer through the callback.
exports.handler = function (event, context, callback) {
  context.callbackWaitsForEmptyEventLoop = false;
  // Something that keeps the process busy for ever holds nobody up.
  setInterval(() => {}, 1000).unref();
  setTimeout(() => {
    if (event.fail === "error") callback(new TypeError("told through the callback"));
    else if (event.fail === "text") callback("told as text");
    else callback(null, { doubled: event.value * 2 });
  }, 1);
};
