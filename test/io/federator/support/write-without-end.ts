import { pino } from "pino";
import { openReplicaStore } from "../../../../federator/io/replica-store.ts";

/* A program to be killed in the middle of its work: revision N puts the records `a` and `b`, both with N. */
const [, , file = ""] = process.argv;
const store = await openReplicaStore(file, pino({ level: "silent" }));
for (let revision = 1; ; revision += 1) {
  await store.apply(
    { incarnation: "one", revision },
    ["a", "b"].map((key) => ({
      kind: "put",
      record: {
        key,
        value: String(revision),
        createRevision: 1,
        modRevision: revision,
        leaseId: null,
      },
    })),
  );
  if (revision === 50) process.stdout.write("under way\n");
}
