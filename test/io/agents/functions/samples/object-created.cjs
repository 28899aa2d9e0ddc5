// Reacts to objects that were put into a bucket, as CommonJS.
const path = require("node:path");

exports.handler = async function (event, context) {
  console.log("request", context.awsRequestId, "with", event.Records.length, "records");
  const objects = event.Records.map((record) => ({
    bucket: record.s3.bucket.name,
    key: decodeURIComponent(record.s3.object.key.replace(/\+/g, " ")),
  }));
  return objects.map(({ bucket, key }) => `${bucket}/${path.basename(key)}`);
};
