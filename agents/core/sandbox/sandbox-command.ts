import type { NetworkAccess } from "#lib/contracts/isolation.ts";

/** Where an instance in a sandbox finds its things; the names are those of AWS Lambda. */
export const INSIDE = {
  task: "/var/task",
  runtime: "/var/runtime",
  node: "/var/lang/bin/node",
  /** The folder of the agent's socket; it is seen through, so that a later agent's socket appears in it. */
  agent: "/run/meridian",
} as const;

const TEMPORARY_BYTES = 512 * 1_048_576;
const SHARED_MEMORY_BYTES = 64 * 1_048_576;
const DESCRIPTORS_MAX = 4_096;
/** Of 512 bytes each, as POSIX counts them for `ulimit -f`: what fits into the temporary folder. */
const FILE_BLOCKS_MAX = TEMPORARY_BYTES / 512;
const ENVIRONMENT_FILE = "/run/environment";
/** What the instance is given at its start, from descriptor 3 on, in the order of `SandboxCommand.descriptors`. */
const ARGUMENTS_DESCRIPTOR = 3;
const ENVIRONMENT_DESCRIPTOR = 4;
const PASSWD_DESCRIPTOR = 5;
const FILTER_DESCRIPTOR = 6;

/** What is shown of this machine's root file system. */
export type RootEntry =
  | { readonly kind: "link"; readonly target: string; readonly path: string }
  | { readonly kind: "shown"; readonly path: string };

/** Whom instances run as: users of their own where the agent is root, else the agent's own in a user namespace. */
export type SandboxUser =
  | { readonly kind: "own"; readonly setpriv: string; readonly user: number }
  | { readonly kind: "mapped"; readonly user: number };

/** What the sandboxes of one machine have in common. */
export interface SandboxBase {
  readonly bwrap: string;
  readonly filterFile: string;
  readonly rootEntries: readonly RootEntry[];
  readonly node: string;
  /** The folder with the agent's socket for instances and nothing else. */
  readonly agentDirectory: string;
}

export interface Inmate {
  readonly user: SandboxUser;
  /** Its code; any folder of this machine, and what appears in it later appears in the sandbox. */
  readonly taskDirectory: string;
  readonly runtimeDirectory: string;
  /** Folders that its program needs at their own paths, such as an interpreter's. */
  readonly languageDirectories: readonly string[];
  /** Folders of this machine that it may write to, at their own paths. */
  readonly sharedFolders: readonly string[];
  readonly network: NetworkAccess;
  /** Folders of resource groups it joins before anything of it runs. */
  readonly groupDirectories: readonly string[];
  /** The program with paths as they are inside. */
  readonly program: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface SandboxCommand {
  readonly command: readonly [string, ...string[]];
  /** What its descriptors give from the third on: there may be secrets in it, and command lines can be read by everybody. */
  readonly descriptors: readonly string[];
}

/**
 * Runs outside, as the agent: limits, groups and the filter, then bubblewrap in its place. Nothing of the function's comes in here,
 * least of all its environment, which could make any program load anything.
 */
const OUTSIDE_SCRIPT = [
  `ulimit -c 0; ulimit -f ${FILE_BLOCKS_MAX}; ulimit -n ${DESCRIPTORS_MAX}`,
  "filter=$1 groups=$2; shift 2",
  'IFS=:; for group in $groups; do echo $$ >"$group/cgroup.procs" || exit 1; done; unset IFS',
  `exec "$@" ${FILTER_DESCRIPTOR}<"$filter"`,
].join("\n");

/** Runs inside, as the instance's user. */
const INSIDE_SCRIPT = `. ${ENVIRONMENT_FILE}; exec "$@"`;

/** The command that runs a program in a sandbox of its own. */
export function sandboxCommand(base: SandboxBase, inmate: Inmate): SandboxCommand {
  const { user } = inmate.user;
  return {
    command: [
      "/bin/sh",
      ...[
        ["-c", OUTSIDE_SCRIPT, "instance", base.filterFile, inmate.groupDirectories.join(":")],
        [base.bwrap, "--args", String(ARGUMENTS_DESCRIPTOR), "--"],
        dropPrivileges(inmate.user),
        ["/bin/sh", "-c", INSIDE_SCRIPT, "instance"],
        inmate.program,
      ].flat(),
    ],
    descriptors: [
      sandboxArguments(base, inmate)
        .map((word) => `${word}\0`)
        .join(""),
      environmentScript(inmate.environment),
      `instance:x:${user}:${user}::/tmp:/bin/sh\n`,
    ],
  };
}

/** Without capabilities before anything of the function's is looked at. */
const dropPrivileges = (user: SandboxUser): readonly string[] =>
  user.kind === "mapped"
    ? []
    : [
        user.setpriv,
        "--reuid",
        String(user.user),
        "--regid",
        String(user.user),
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
        "--no-new-privs",
        "--",
      ];

function sandboxArguments(base: SandboxBase, inmate: Inmate): readonly string[] {
  return [
    ["--die-with-parent", "--clearenv", "--hostname", "instance"],
    ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
    inmate.network === "none" ? ["--unshare-net"] : [],
    userArguments(inmate.user),
    base.rootEntries.flatMap((entry) =>
      entry.kind === "link"
        ? ["--symlink", entry.target, entry.path]
        : shown("--ro-bind", entry.path, entry.path),
    ),
    ["--proc", "/proc", "--dev", "/dev"],
    ["--perms", "1777", "--size", String(SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"],
    ["--perms", "1777", "--size", String(TEMPORARY_BYTES), "--tmpfs", "/tmp"],
    shown("--ro-bind", base.node, INSIDE.node),
    shown("--ro-bind", inmate.runtimeDirectory, INSIDE.runtime),
    shown("--ro-bind", base.agentDirectory, INSIDE.agent),
    shown("--ro-bind", inmate.taskDirectory, INSIDE.task),
    inmate.languageDirectories.flatMap((path) => shown("--ro-bind", path, path)),
    inmate.sharedFolders.flatMap((path) => shown("--bind-try", path, path)),
    ["--perms", "0444", "--ro-bind-data", String(PASSWD_DESCRIPTOR), "/etc/passwd"],
    ["--perms", "0444", "--ro-bind-data", String(ENVIRONMENT_DESCRIPTOR), ENVIRONMENT_FILE],
    // What bubblewrap made to hang all this into is memory that anybody could fill.
    ["--remount-ro", "/dev", "--remount-ro", "/"],
    ["--chdir", INSIDE.task, "--seccomp", String(FILTER_DESCRIPTOR)],
  ].flat();
}

const userArguments = (user: SandboxUser): readonly string[] =>
  user.kind === "mapped"
    ? ["--unshare-user", "--uid", String(user.user), "--gid", String(user.user)]
    : ["--cap-drop", "ALL", ...KEPT_TO_DROP_OTHERS.flatMap((name) => ["--cap-add", name])];

/** What setpriv needs to become another user, and gives up with that. */
const KEPT_TO_DROP_OTHERS: readonly string[] = ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"];

/** The folders on the way to it would be made for root's eyes alone. */
function shown(how: string, path: string, inside: string): readonly string[] {
  const parts = inside.split("/").slice(1, -1);
  const folders = parts.map((_, depth) => `/${parts.slice(0, depth + 1).join("/")}`);
  return [...folders.flatMap((folder) => ["--perms", "0755", "--dir", folder]), how, path, inside];
}

/** An environment as a shell reads it. */
export const environmentScript = (environment: Readonly<Record<string, string>>): string =>
  Object.entries(environment)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join("");
