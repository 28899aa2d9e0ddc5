import { Type } from "typebox";
import { CreateQuotaRequest } from "#lib/contracts/api.ts";
import { QuotaRequestRecord, QuotaRequestState } from "#lib/contracts/quota-records.ts";
import { prefixes } from "#lib/contracts/catalog-keys.ts";
import { pageItems } from "../../../core/page-items.ts";
import { visibleTenant } from "../../../core/authorize.ts";
import { type Api, type ApiPorts, callerOf } from "../api-context.ts";
import { createQuotaRequest } from "../../quota/create-quota-request.ts";
import { demand } from "../guard-request.ts";
import { fetchQuotaRequest, noSuchRequest } from "../../quota/decide-quota-request.ts";
import { readQuotaRequest, valuesOf } from "../../read-records.ts";
import { JSON_BODY_BYTES_MAX, PageQuery, pageOf, QuotaRequestPath, TenantPath } from "./schemas.ts";

const RequestQuery = Type.Object(
  { ...PageQuery.properties, state: Type.Optional(QuotaRequestState) },
  { additionalProperties: false },
);

export function quotaRequestRoutes(api: Api, ports: ApiPorts): void {
  const { replica } = ports;
  const all = () => valuesOf(replica.list(prefixes.quotaRequests), readQuotaRequest);

  api.get(
    "/v1/tenants/:tenant/quota-requests",
    {
      config: { action: "quota-requests.read" },
      schema: {
        params: TenantPath,
        querystring: PageQuery,
        response: { 200: pageOf(QuotaRequestRecord) },
      },
    },
    async (request) => {
      const own = all().filter(({ tenant }) => tenant === request.params.tenant);
      return pageItems(own, idOf, request.query.limit, request.query.cursor);
    },
  );

  api.post(
    "/v1/tenants/:tenant/quota-requests",
    {
      config: { action: "quota-requests.create" },
      bodyLimit: JSON_BODY_BYTES_MAX,
      schema: {
        params: TenantPath,
        body: CreateQuotaRequest,
        response: { 201: QuotaRequestRecord },
      },
    },
    async (request, reply) => {
      const record = await createQuotaRequest(ports, request, request.params.tenant, request.body);
      reply.code(201);
      return record;
    },
  );

  api.get(
    "/v1/quota-requests",
    {
      config: { action: "quota-requests.list" },
      schema: { querystring: RequestQuery, response: { 200: pageOf(QuotaRequestRecord) } },
    },
    async (request) => {
      const { state, limit, cursor } = request.query;
      const visible = visibleTenant(callerOf(request));
      const items = all().filter(
        (record) =>
          (visible === null || record.tenant === visible) &&
          (state === undefined || record.state === state),
      );
      return pageItems(items, idOf, limit, cursor);
    },
  );

  api.get(
    "/v1/quota-requests/:id",
    {
      config: { action: "quota-requests.read" },
      schema: { params: QuotaRequestPath, response: { 200: QuotaRequestRecord } },
    },
    async (request) => {
      const { id } = request.params;
      const held = await fetchQuotaRequest(ports, id);
      demand(request, "quota-requests.read", held.value.tenant, () => noSuchRequest(id));
      return held.value;
    },
  );
}

const idOf = ({ id }: QuotaRequestRecord): string => id;
