import { runOnEtcd } from "../support/on-etcd.ts";

await runOnEtcd(new URL("../failover.test.ts", import.meta.url));
