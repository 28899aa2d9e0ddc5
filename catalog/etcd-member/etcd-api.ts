import { Type } from "typebox";
import { Value } from "typebox/value";

/** What a member refuses is told by these words, not by a code of its own. */
const ALREADY_THERE = /already exists|already granted|authentication is not enabled/;
const CALL_TIMEOUT_MS = 3_000;

const Token = Type.Object({ token: Type.String() });
const AuthStatus = Type.Object({ enabled: Type.Optional(Type.Boolean()) });
const MemberList = Type.Object({
  members: Type.Array(
    Type.Object({
      ID: Type.String(),
      name: Type.Optional(Type.String()),
      peerURLs: Type.Array(Type.String()),
    }),
  ),
});

/** Locks the member's door with a password; nothing happens where it is locked already, whoever of the members did it. */
export async function ensurePassword(clientUrl: string, password: string): Promise<void> {
  const { enabled } = Value.Parse(AuthStatus, await call(clientUrl, "auth/status", {}));
  if (enabled === true) return;
  const root = { name: "root", password };
  await callUnlessThere(clientUrl, "auth/user/add", root);
  await callUnlessThere(clientUrl, "auth/role/add", { name: "root" });
  await callUnlessThere(clientUrl, "auth/user/grant", { user: "root", role: "root" });
  await call(clientUrl, "auth/enable", {});
}

/**
 * Lets a member that lost its data join again: its old identity is taken out first, since a member that forgot what it promised
 * must never vote under the same name. Gives the `--initial-cluster` to start with.
 */
export async function rejoin(
  viaClientUrl: string,
  password: string,
  name: string,
  peerUrl: string,
): Promise<string> {
  const { token } = Value.Parse(
    Token,
    await call(viaClientUrl, "auth/authenticate", { name: "root", password }),
  );
  const before = Value.Parse(
    MemberList,
    await call(viaClientUrl, "cluster/member/list", {}, token),
  );
  const old = before.members.find(({ peerURLs }) => peerURLs.includes(peerUrl));
  if (old !== undefined) await call(viaClientUrl, "cluster/member/remove", { ID: old.ID }, token);
  const { members } = Value.Parse(
    MemberList,
    await call(viaClientUrl, "cluster/member/add", { peerURLs: [peerUrl] }, token),
  );
  return members
    .flatMap((member) => member.peerURLs.map((url) => `${nameOf(member, peerUrl, name)}=${url}`))
    .join(",");
}

/** The one that was just added has no name before it starts. */
const nameOf = (
  { name, peerURLs }: { readonly name?: string; readonly peerURLs: readonly string[] },
  ownPeerUrl: string,
  ownName: string,
): string => (peerURLs.includes(ownPeerUrl) ? ownName : (name ?? ""));

async function callUnlessThere(clientUrl: string, path: string, body: object): Promise<void> {
  await call(clientUrl, path, body).catch((error: unknown) => {
    if (!(error instanceof Error) || !ALREADY_THERE.test(error.message)) throw error;
  });
}

/** etcd's own JSON gateway: https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/ */
async function call(
  clientUrl: string,
  path: string,
  body: object,
  token?: string,
): Promise<unknown> {
  const answer = await fetch(`${clientUrl}/v3/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    ...(token !== undefined && { headers: { authorization: token } }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`etcd refuses ${path}: ${text.trim()}`);
  return JSON.parse(text);
}
