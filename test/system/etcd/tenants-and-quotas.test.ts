import { runOnEtcd } from "../support/on-etcd.ts";

await runOnEtcd(new URL("../tenants-and-quotas.test.ts", import.meta.url));
