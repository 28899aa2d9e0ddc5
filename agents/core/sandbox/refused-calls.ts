export type FilterArchitecture = "x64" | "arm64";

/*
 * System calls that an instance gets `EPERM` for: those that Docker's default profile keeps from a container without capabilities,
 * https://docs.docker.com/engine/security/seccomp/, and those that came since. Numbers of x64, from Linux's asm/unistd_64.h, and of
 * arm64, from asm-generic/unistd.h; an architecture that never had a call has none.
 */
const BOTH: readonly (readonly [name: string, x64: number, arm64: number])[] = [
  ["acct", 163, 89],
  ["add_key", 248, 217],
  ["bpf", 321, 280],
  ["chroot", 161, 51],
  ["clock_adjtime", 305, 266],
  ["clock_settime", 227, 112],
  ["delete_module", 176, 106],
  ["fanotify_init", 300, 262],
  ["finit_module", 313, 273],
  ["fsconfig", 431, 431],
  ["fsmount", 432, 432],
  ["fsopen", 430, 430],
  ["fspick", 433, 433],
  ["get_mempolicy", 239, 236],
  ["init_module", 175, 105],
  ["io_uring_enter", 426, 426],
  ["io_uring_register", 427, 427],
  ["io_uring_setup", 425, 425],
  ["kcmp", 312, 272],
  ["kexec_file_load", 320, 294],
  ["kexec_load", 246, 104],
  ["keyctl", 250, 219],
  ["listmount", 458, 458],
  ["lookup_dcookie", 212, 18],
  ["mbind", 237, 235],
  ["migrate_pages", 256, 238],
  ["mount", 165, 40],
  ["mount_setattr", 442, 442],
  ["move_mount", 429, 429],
  ["move_pages", 279, 239],
  ["name_to_handle_at", 303, 264],
  ["nfsservctl", 180, 42],
  ["open_by_handle_at", 304, 265],
  ["open_tree", 428, 428],
  ["open_tree_attr", 467, 467],
  ["perf_event_open", 298, 241],
  ["pidfd_getfd", 438, 438],
  ["pivot_root", 155, 41],
  ["process_vm_readv", 310, 270],
  ["process_vm_writev", 311, 271],
  ["ptrace", 101, 117],
  ["quotactl", 179, 60],
  ["quotactl_fd", 443, 443],
  ["reboot", 169, 142],
  ["request_key", 249, 218],
  ["set_mempolicy", 238, 237],
  ["set_mempolicy_home_node", 450, 450],
  ["setdomainname", 171, 162],
  ["sethostname", 170, 161],
  ["setns", 308, 268],
  ["settimeofday", 164, 170],
  ["statmount", 457, 457],
  ["swapoff", 168, 225],
  ["swapon", 167, 224],
  ["syslog", 103, 116],
  ["umount2", 166, 39],
  ["unshare", 272, 97],
  ["userfaultfd", 323, 282],
  ["vhangup", 153, 58],
];

const X64_ALONE: readonly (readonly [name: string, x64: number])[] = [
  ["create_module", 174],
  ["get_kernel_syms", 177],
  ["ioperm", 173],
  ["iopl", 172],
  ["query_module", 178],
  ["_sysctl", 156],
  ["sysfs", 139],
  ["uselib", 134],
  ["ustat", 136],
];

/** Those that are judged by their arguments, or refused as if the kernel were too old to know them. */
export interface JudgedCalls {
  readonly clone: number;
  readonly clone3: number;
  readonly socket: number;
}

export const refusedCalls = (architecture: FilterArchitecture): readonly number[] =>
  architecture === "x64"
    ? [...BOTH.map(([, x64]) => x64), ...X64_ALONE.map(([, x64]) => x64)]
    : BOTH.map(([, , arm64]) => arm64);

export const JUDGED_CALLS: Readonly<Record<FilterArchitecture, JudgedCalls>> = {
  x64: { clone: 56, clone3: 435, socket: 41 },
  arm64: { clone: 220, clone3: 435, socket: 198 },
};
