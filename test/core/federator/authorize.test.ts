import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ROLES, type Role } from "#lib/contracts/catalog-records.ts";
import { type Action, ACTIONS, authorize } from "../../../federator/core/authorize.ts";

interface Case {
  readonly roles: readonly Role[];
  readonly of: string | null;
  readonly action: Action;
  readonly on?: string;
  readonly is: "allowed" | "hidden" | "forbidden";
}

// One row a line: who, whose key, does what, to whose thing, and what comes of it.
const cases: readonly Case[] = [
  { roles: ["tenant-admin"], of: "demo", action: "functions.deploy", on: "demo", is: "allowed" },
  { roles: ["tenant-admin"], of: "demo", action: "functions.deploy", on: "acme", is: "hidden" },
  { roles: ["tenant-reader"], of: "demo", action: "functions.deploy", on: "demo", is: "forbidden" },
  { roles: ["tenant-reader"], of: "demo", action: "functions.read", on: "demo", is: "allowed" },
  { roles: ["tenant-reader"], of: "demo", action: "functions.read", on: "acme", is: "hidden" },
  { roles: ["operator"], of: null, action: "functions.delete", on: "demo", is: "allowed" },
  { roles: ["operator"], of: null, action: "tenants.create", is: "allowed" },
  { roles: ["tenant-admin"], of: "demo", action: "tenants.create", is: "forbidden" },
  { roles: ["tenant-admin"], of: "demo", action: "tenants.list", is: "forbidden" },
  { roles: ["approver"], of: null, action: "tenants.list", is: "forbidden" },
  { roles: ["approver"], of: null, action: "functions.read", on: "demo", is: "forbidden" },
  { roles: ["approver"], of: null, action: "quota-requests.read", on: "demo", is: "allowed" },
  { roles: ["approver"], of: null, action: "quota-requests.decide", on: "demo", is: "allowed" },
  { roles: ["operator"], of: null, action: "quota-requests.decide", on: "demo", is: "forbidden" },
  {
    roles: ["tenant-admin"],
    of: "demo",
    action: "quota-requests.decide",
    on: "demo",
    is: "forbidden",
  },
  {
    roles: ["tenant-admin", "approver"],
    of: "demo",
    action: "quota-requests.decide",
    on: "demo",
    is: "forbidden",
  },
  {
    roles: ["tenant-admin", "approver"],
    of: "demo",
    action: "quota-requests.decide",
    on: "acme",
    is: "hidden",
  },
  {
    roles: ["tenant-admin"],
    of: "demo",
    action: "quota-requests.cancel",
    on: "demo",
    is: "allowed",
  },
  {
    roles: ["tenant-reader"],
    of: "demo",
    action: "quota-requests.create",
    on: "demo",
    is: "forbidden",
  },
  { roles: ["drill-runner"], of: null, action: "status.read", is: "allowed" },
  { roles: ["drill-runner"], of: null, action: "logs.read", on: "demo", is: "forbidden" },
  { roles: [], of: "demo", action: "functions.read", on: "demo", is: "forbidden" },
];

for (const { roles, of, action, on, is } of cases)
  test(`${roles.join("+") || "no role"} of ${of ?? "no tenant"}: ${action} ${on ?? ""} is ${is}`, () => {
    assert.equal(authorize({ tenant: of, roles, actor: "k" }, action, on).kind, is);
  });

test("whatever the roles, a tenant's key reaches nothing of another tenant and decides on no quota", () => {
  const actions = Object.keys(ACTIONS) as Action[];
  fc.assert(
    fc.property(
      fc.subarray([...ROLES]),
      fc.constantFrom(...actions),
      fc.constantFrom("demo", "acme"),
      (roles, action, on) => {
        const { kind } = authorize({ tenant: "demo", roles, actor: "k" }, action, on);
        if (on === "acme") assert.equal(kind, "hidden");
        if (action === "quota-requests.decide") assert.notEqual(kind, "allowed");
      },
    ),
  );
});
