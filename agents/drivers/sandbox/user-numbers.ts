import { randomInt } from "node:crypto";
import type { UserRange } from "../../core/sandbox/instance-network.ts";

export interface UserNumbers {
  readonly first: number;
  /** One that no instance has, and none had for as long as possible; where all are taken, one of those. */
  readonly take: () => number;
  readonly giveBack: (user: number) => void;
}

/** Which users instances have at the moment. */
export function userNumbers({ from, count }: UserRange): UserNumbers {
  const holders = new Map<number, number>();
  // Not where an agent before began, of which instances may be left.
  let next = randomInt(count);
  return {
    first: from,
    take: () => {
      for (let tries = 0; tries < count; tries += 1) {
        next = (next + 1) % count;
        if (!holders.has(from + next)) break;
      }
      const user = from + next;
      holders.set(user, (holders.get(user) ?? 0) + 1);
      return user;
    },
    giveBack: (user) => {
      const left = (holders.get(user) ?? 0) - 1;
      if (left > 0) holders.set(user, left);
      else holders.delete(user);
    },
  };
}
