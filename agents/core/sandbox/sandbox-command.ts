import type { NetworkAccess } from "#lib/contracts/isolation.ts";
import {
  type CommonThings,
  commonView,
  INSIDE,
  languageView,
  SANDBOX_LIMITS,
  type ViewEntry,
} from "./sandbox-view.ts";

/** Of 512 bytes each, as POSIX counts them for `ulimit -f`. */
const FILE_BLOCKS_MAX = SANDBOX_LIMITS.fileBytes / 512;
const ENVIRONMENT_FILE = "/run/environment";
/** What the instance is given at its start, from descriptor 3 on, in the order of `SandboxCommand.descriptors`. */
const ARGUMENTS_DESCRIPTOR = 3;
const ENVIRONMENT_DESCRIPTOR = 4;
const PASSWD_DESCRIPTOR = 5;
const FILTER_DESCRIPTOR = 6;

/** What programs need of the root: they may be links, as on most systems of today. */
export const PROGRAM_ENTRIES = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/** Whether a program of this machine is where instances see it. */
export const isProgramShown = (path: string): boolean =>
  PROGRAM_ENTRIES.some((entry) => path.startsWith(`${entry}/`));

/** Whom instances run as: users of their own where the agent is root, else the agent's own in a user namespace. */
export type SandboxUser =
  | { readonly kind: "own"; readonly setpriv: string; readonly user: number }
  | { readonly kind: "mapped"; readonly user: number };

/** What the sandboxes of one machine have in common. */
export interface SandboxBase extends CommonThings {
  readonly bwrap: string;
  readonly filterFile: string;
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
 * In version 1 a thread that joins by itself keeps nobody waiting, which a process that is moved does, for some 10 ms
 * (`cgroup_threadgroup_rwsem` in the kernel's cgroup.c); version 2 knows processes alone.
 */
const JOIN_GROUP =
  'if [ -e "$group/tasks" ]; then echo 0 >"$group/tasks"; else echo $$ >"$group/cgroup.procs"; fi || exit 1';

/**
 * Runs outside, as the agent: limits, groups and the filter, then bubblewrap in its place. Nothing of the function's comes in here,
 * least of all its environment, which could make any program load anything.
 */
const OUTSIDE_SCRIPT = [
  `ulimit -c 0; ulimit -f ${FILE_BLOCKS_MAX}; ulimit -n ${SANDBOX_LIMITS.descriptors}`,
  "filter=$1 groups=$2; shift 2",
  `IFS=:; for group in $groups; do ${JOIN_GROUP}; done; unset IFS`,
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
    commonView(base, inmate.runtimeDirectory).flatMap(viewArguments),
    ["--proc", "/proc"],
    temporary("/dev/shm", SANDBOX_LIMITS.sharedMemoryBytes),
    temporary("/tmp", SANDBOX_LIMITS.temporaryBytes),
    shown("--ro-bind", inmate.taskDirectory, INSIDE.task),
    // Last of what is read-only: it may lie below a folder that the sandbox has its own of.
    languageView(inmate.languageDirectories).flatMap(viewArguments),
    inmate.sharedFolders.flatMap((path) => shown("--bind-try", path, path)),
    ["--perms", "0444", "--ro-bind-data", String(PASSWD_DESCRIPTOR), "/etc/passwd"],
    ["--perms", "0444", "--ro-bind-data", String(ENVIRONMENT_DESCRIPTOR), ENVIRONMENT_FILE],
    // What bubblewrap made to hang all this into is memory that anybody could fill.
    ["--remount-ro", "/dev", "--remount-ro", "/"],
    ["--chdir", INSIDE.task, "--seccomp", String(FILTER_DESCRIPTOR)],
  ].flat();
}

function viewArguments(entry: ViewEntry): readonly string[] {
  switch (entry.kind) {
    case "link":
      return ["--symlink", entry.target, entry.path];
    case "devices":
      return ["--dev", "/dev"];
    case "shown":
      return shown("--ro-bind", entry.source, entry.path);
  }
}

const temporary = (path: string, bytes: number): readonly string[] =>
  ["--perms 1777", `--size ${bytes}`, `--tmpfs ${path}`].flatMap((words) => words.split(" "));

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
