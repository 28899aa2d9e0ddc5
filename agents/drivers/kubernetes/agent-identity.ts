import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Cluster } from "./open-cluster.ts";
import { isStatus } from "./cluster-refusal.ts";

const CERTIFICATE_YEARS = 10;

/** How pods know their agent and it knows them: the same for every agent of a zone, so that one that comes later knows what it finds. */
export interface AgentIdentity {
  readonly certificate: string;
  readonly privateKey: string;
  /** What only the agent can make of the words, each kind for another purpose. */
  readonly sign: (kind: "token" | "pass" | "note", words: string) => string;
  readonly isSigned: (kind: "token" | "pass" | "note", words: string, signature: string) => boolean;
}

/** From the Secret of that name, which the first agent makes. */
export async function openIdentity(
  cluster: Pick<Cluster, "readSecret" | "createSecret">,
  name: string,
  namespace: string,
  labels: Readonly<Record<string, string>>,
): Promise<AgentIdentity> {
  const read = async (): Promise<AgentIdentity | undefined> => {
    const secret = await cluster.readSecret(name);
    return secret === undefined ? undefined : identityOf(secret.data ?? {}, name);
  };
  const found = await read();
  if (found !== undefined) return found;
  try {
    await cluster.createSecret({
      apiVersion: "v1",
      kind: "Secret",
      type: "Opaque",
      metadata: { name, namespace, labels: { ...labels } },
      data: await newIdentity(),
    });
  } catch (error) {
    // Another agent was first: its identity is everybody's.
    if (!isStatus(error, 409)) throw error;
  }
  const made = await read();
  if (made === undefined) throw new Error(`the secret ${name} was removed as soon as it was made`);
  return made;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

async function newIdentity(): Promise<Record<string, string>> {
  const { generate } = await import("selfsigned");
  const notAfterDate = new Date();
  notAfterDate.setFullYear(notAfterDate.getFullYear() + CERTIFICATE_YEARS);
  const made = await generate([{ name: "commonName", value: "meridian-agent" }], {
    keyType: "ec",
    notAfterDate,
  });
  return {
    "tls.crt": base64(made.cert),
    "tls.key": base64(made.private),
    "link.key": randomBytes(32).toString("base64"),
  };
}

function identityOf(held: Readonly<Record<string, string>>, name: string): AgentIdentity {
  const bytesOf = (key: string): Buffer => {
    const value = held[key];
    if (value === undefined || value === "")
      throw new Error(`the secret ${name} lacks ${key}; remove it, and the agent makes a new one`);
    return Buffer.from(value, "base64");
  };
  const linkKey = bytesOf("link.key");
  const sign: AgentIdentity["sign"] = (kind, words) =>
    createHmac("sha256", linkKey).update(`${kind}\n${words}`).digest("hex");
  return {
    certificate: bytesOf("tls.crt").toString("utf8"),
    privateKey: bytesOf("tls.key").toString("utf8"),
    sign,
    isSigned: (kind, words, signature) => {
      const [own, said] = [Buffer.from(sign(kind, words)), Buffer.from(signature)];
      return own.length === said.length && timingSafeEqual(own, said);
    },
  };
}
