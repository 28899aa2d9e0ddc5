import { Type } from "typebox";
import { ChangeRecord } from "#lib/contracts/catalog-records.ts";
import type { Api } from "../api/api-context.ts";
import { strictValidation } from "../api/api-validation.ts";
import type { CatalogDesk } from "./catalog-desk.ts";
import type { ReplicaDigests } from "./replica-digests.ts";

/** A frozen asker is given up; recovering writes for 15 s and may wait for its own writes to come back. */
const ANSWER_TIMEOUT_MS = 50_000;

const PositionQuery = Type.Object(
  {
    incarnation: Type.String({ minLength: 1, maxLength: 128 }),
    revision: Type.Integer({ minimum: 0 }),
  },
  { additionalProperties: false },
);
const BucketPath = Type.Object(
  { bucket: Type.String({ pattern: "^(\\d|[1-9]\\d|1\\d\\d|2[0-4]\\d|25[0-5])$" }) },
  { additionalProperties: false },
);

export interface ReplicaRoutes {
  readonly digests: ReplicaDigests;
  readonly catalogDesk: CatalogDesk;
}

/** What federators ask of each other's replicas. */
export function replicaRoutes(app: Api, { digests, catalogDesk }: ReplicaRoutes): void {
  app.setValidatorCompiler(strictValidation);
  const limit = (): AbortSignal => AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  app.get("/internal/replica/digests", async () => ({ marks: await digests.marks(limit()) }));
  app.get(
    "/internal/replica/digests/sums",
    { schema: { querystring: PositionQuery } },
    async ({ query }) => ({ sums: await digests.sums(query, limit()) }),
  );
  app.get(
    "/internal/replica/buckets/:bucket",
    { schema: { params: BucketPath } },
    async ({ params }) => ({ entries: await digests.bucket(Number(params.bucket), limit()) }),
  );

  app.get("/internal/catalog/status", () => catalogDesk.status());
  for (const verb of ["recover", "discard", "accept"] as const)
    app.post(`/internal/catalog/${verb}`, { schema: { body: ChangeRecord } }, ({ body }) =>
      catalogDesk[verb](body, limit()),
    );
}
