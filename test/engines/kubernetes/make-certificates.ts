import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../../../image/run-command.ts";

const DAYS = "365";
const CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"];

/** How to call an apiserver as somebody who may do all. */
export interface AdminAccess {
  readonly endpoint: string;
  readonly authority: string;
  readonly token: string;
}

/** Where the files are that programs are started with. */
export interface CertificateFiles {
  readonly authority: string;
  readonly authorityKey: string;
  readonly server: string;
  readonly serverKey: string;
  readonly client: string;
  readonly clientKey: string;
  readonly accountKey: string;
  readonly accountPublicKey: string;
  readonly tokens: string;
}

export const certificateFiles = (folder: string): CertificateFiles => ({
  authority: join(folder, "authority.crt"),
  authorityKey: join(folder, "authority.key"),
  server: join(folder, "server.crt"),
  serverKey: join(folder, "server.key"),
  client: join(folder, "client.crt"),
  clientKey: join(folder, "client.key"),
  accountKey: join(folder, "accounts.key"),
  accountPublicKey: join(folder, "accounts.pub"),
  tokens: join(folder, "tokens.csv"),
});

/** An authority of its own, an apiserver's certificate for these addresses, and a token for who runs the tests. */
export async function makeCertificates(
  folder: string,
  addresses: readonly string[],
  endpoint: string,
): Promise<AdminAccess> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const files = certificateFiles(folder);
  const { accountKey, accountPublicKey, authority, authorityKey } = files;
  await openssl(`genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out ${accountKey}`);
  await openssl(`pkey -in ${accountKey} -pubout -out ${accountPublicKey}`);
  const self = ["-x509", "-days", DAYS, "-keyout", authorityKey, "-out", authority];
  await runCommand("openssl", ["req", ...CURVE, ...self, "-subj", "/CN=test clusters"]);

  const names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
  const alternatives = [
    ...names.map((name) => `DNS:${name}`),
    ...addresses.map((address) => `IP:${address}`),
  ].join(",");
  await sign(files, files.server, files.serverKey, "/CN=kube-apiserver", alternatives);
  const masters = "/O=system:masters/CN=kube-apiserver-kubelet-client";
  await sign(files, files.client, files.clientKey, masters, "DNS:kube-apiserver");

  const token = randomBytes(24).toString("hex");
  await writeFile(files.tokens, `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  return { endpoint, authority: await readFile(authority, "utf8"), token };
}

/** What kubectl and every part of Kubernetes reads; JSON is YAML, too. */
export const kubeconfig = ({ endpoint, authority, token }: AdminAccess, name: string): string => {
  const bytes = Buffer.from(authority).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: endpoint, "certificate-authority-data": bytes } }],
    users: [{ name: "admin", user: { token } }],
    contexts: [{ name, context: { cluster: name, user: "admin" } }],
    "current-context": name,
  });
};

async function sign(
  { authority, authorityKey }: CertificateFiles,
  certificate: string,
  key: string,
  subject: string,
  alternatives: string,
): Promise<void> {
  const by = ["-x509", "-CA", authority, "-CAkey", authorityKey, "-days", DAYS];
  const uses = "extendedKeyUsage=serverAuth,clientAuth";
  const extensions = ["-addext", uses, "-addext", `subjectAltName=${alternatives}`];
  const out = ["-keyout", key, "-out", certificate, "-subj", subject];
  await runCommand("openssl", ["req", ...CURVE, ...by, ...extensions, ...out]);
}

const openssl = (argv: string): Promise<string> => runCommand("openssl", argv.split(" "));
