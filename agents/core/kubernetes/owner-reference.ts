/** The Lease of the agent: what it made is removed by the cluster when that is. */
export interface Owner {
  readonly name: string;
  readonly uid: string;
}

export const ownerReference = ({ name, uid }: Owner) => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  name,
  uid,
});
