import { runOnEtcd } from "../support/on-etcd.ts";

await runOnEtcd(new URL("../first-light.test.ts", import.meta.url));
