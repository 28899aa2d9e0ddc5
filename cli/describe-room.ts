import { Type } from "typebox";
import { ClusterView } from "#lib/contracts/api-status.ts";
import type { FunctionManifest } from "#lib/contracts/function-manifest.ts";
import type { ApiClient } from "./api-client.ts";

const ClusterPage = Type.Object({ items: Type.Array(ClusterView) });

/** Of a version that asks for more instances without a call than some clusters can have at all; undefined: nothing to say yet. */
export async function describeRoom(
  client: ApiClient,
  { name, scaling }: Pick<FunctionManifest, "name" | "scaling">,
): Promise<string | undefined> {
  const asked = Math.max(scaling?.minInstances ?? 0, scaling?.provisioned ?? 0);
  if (asked === 0) return undefined;
  const { items } = await client.json(ClusterPage, { path: "/v1/clusters" });
  const small = items.flatMap(({ clusterId, capacitySlots = asked }) =>
    capacitySlots < asked ? [`${clusterId} (${capacitySlots})`] : [],
  );
  if (small.length === 0) return undefined;
  return `${name} asks for ${asked} instances in each cluster, more than there is room for in ${small.join(", ")}: \`meridian status\` shows how many it has`;
}
