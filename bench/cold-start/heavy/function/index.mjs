/* As much to load as an ordinary service has: a web framework, a schema library, the client of an object store. */
import { S3Client } from "@aws-sdk/client-s3";
import fastify from "fastify";
import { Type } from "typebox";
import { Value } from "typebox/value";

const Greeted = Type.Object({ name: Type.String() });
const store = new S3Client({ region: "eu-west-1" });
const server = fastify();
server.post("/", (request) => ({ greeting: `Hello, ${request.body.name}` }));

export const handler = async (event) => {
  Value.Assert(Greeted, event);
  const { body } = await server.inject({ method: "POST", url: "/", payload: event });
  return { ...JSON.parse(body), region: await store.config.region() };
};
