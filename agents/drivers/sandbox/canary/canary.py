"""The Python half of canary.mjs: the same attempts, as instances of Python may be started in a way of their own, and system calls that
no program of the machine is needed for."""

import ctypes
import os
import platform
import socket
import subprocess

CONNECT_LIMIT_SECONDS = 0.3
DESCRIPTORS = 100_000
PROCESSES = 200
MEBIBYTE = 1024**2
TEMPORARY_BYTES_MAX = 1024**3
PLACES = ("/", "/dev", "/etc", "/run", "/run/meridian", "/usr", "/var/runtime", "/var/task")
OWN_PROCESSES_MAX = 16
PTRACE_ATTACH = 16
# ptrace, unshare, bpf, keyctl and userfaultfd: numbers of x64 and of arm64.
CALLS = {
    "x86_64": {"ptrace": 101, "unshare": 272, "bpf": 321, "keyctl": 250, "userfaultfd": 323},
    "aarch64": {"ptrace": 117, "unshare": 97, "bpf": 280, "keyctl": 219, "userfaultfd": 282},
}
CLONE_NEWUSER = 0x10000000
CLONE_NEWNS = 0x00020000
MS_REC_PRIVATE = 0x4000 | 0x40000


def mount_for_itself():
    """Where it works, in a namespace of its own: the whole machine would lose its /tmp to it."""
    if libc.unshare(CLONE_NEWNS) != 0:
        return -1
    libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None)
    return libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)


def handler(event, _context):
    os.nice(19)
    if event.get("act") == "fork":
        return [fork_many()]
    if event.get("act") == "exceed-memory":
        return [exceed_memory(event["megabytes"])]
    status = read_status()
    no_capabilities = all(int(status[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapBnd"))
    return [
        exhaust_descriptors(),
        judged("own-user", os.getuid() != event["agentUser"] or is_mapped(), "user %d" % os.getuid()),
        judged("gain-privileges", status["NoNewPrivs"] == "1", "NoNewPrivs is %s" % status["NoNewPrivs"]),
        refused("read-agent-files", lambda: "read %d bytes" % len(open(event["agentFile"], "rb").read())),
        refused("signal-agent", lambda: "could be signalled: %s" % os.kill(event["agentPid"], 0)),
        judged("have-capabilities", no_capabilities, "bounding %s" % status["CapBnd"]),
        list_processes(),
        refused("read-neighbour", lambda: "read %d bytes" % len(open(event["neighbourFile"], "rb").read())),
        *[refused("write-outside-tmp", lambda place=place: write_into(place)) for place in PLACES],
        temporary_size(),
        judged("filtered-calls", status["Seccomp"] == "2", "Seccomp is %s" % status["Seccomp"]),
        fails("mount", mount_for_itself),
        fails("ptrace", libc.syscall, number("ptrace"), PTRACE_ATTACH, 1, 0, 0),
        fails("ptrace", libc.syscall, number("ptrace"), PTRACE_ATTACH, event["agentPid"], 0, 0),
        fails("filtered-calls", libc.syscall, number("unshare"), CLONE_NEWUSER),
        fails("filtered-calls", libc.syscall, number("bpf"), 0, 0, 0),
        fails("filtered-calls", libc.syscall, number("keyctl"), 0, 0, 0),
        fails("filtered-calls", libc.syscall, number("userfaultfd"), 0),
        refused("reach-agent-port", lambda: connect("127.0.0.1", event["port"])),
        refused("reach-metadata", lambda: connect("169.254.169.254", 80)),
        refused("reach-abstract-socket", lambda: connect_abstract(event["abstractName"])),
        *first_process(),
    ]


libc = ctypes.CDLL(None, use_errno=True)


def number(name):
    return CALLS[platform.machine()][name]


def refused(name, attempt):
    try:
        return {"name": name, "holds": False, "evidence": attempt()}
    except OSError as error:
        return {"name": name, "holds": True, "evidence": str(error)}


def fails(name, call, *arguments):
    outcome = call(*arguments)
    said = os.strerror(ctypes.get_errno())
    words = "%s: %s" % (name if outcome == 0 else "refused", said)
    return {"name": name, "holds": outcome == -1, "evidence": words}


def first_process():
    """Of a user namespace it is bubblewrap, in the same sandbox and with no more rights: nothing is gained by it."""
    if is_mapped():
        return []
    return [
        refused("read-agent-files", lambda: "the first process's root has %s" % os.listdir("/proc/1/root/")),
        refused("ptrace", lambda: "the first process's memory: %s" % open("/proc/1/mem", "r+b")),
    ]


def judged(name, holds, evidence):
    return {"name": name, "holds": holds, "evidence": evidence}


def read_status():
    with open("/proc/self/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def is_mapped():
    """In a user namespace the agent's own number can stand for nobody outside."""
    with open("/proc/self/uid_map") as file:
        return file.read().split() != ["0", "0", "4294967295"]


def exhaust_descriptors():
    opened = []
    try:
        while len(opened) < DESCRIPTORS:
            opened.append(os.open("/dev/null", os.O_RDONLY))
        return judged("exhaust-descriptors", False, "%d descriptors are open" % DESCRIPTORS)
    except OSError as error:
        return judged("exhaust-descriptors", True, "%s after %d" % (error, len(opened)))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def write_into(place):
    with open(place + "/meridian-canary", "x") as file:
        return "wrote %s" % file.name


def temporary_size():
    state = os.statvfs("/tmp")
    held_bytes = state.f_blocks * state.f_frsize
    return judged("fill-tmp", held_bytes <= TEMPORARY_BYTES_MAX, "/tmp holds %d MB" % (held_bytes / MEBIBYTE))


def fork_many():
    """By a shell, which needs little for a process; they end soon, and with this instance at the latest."""
    script = "n=0; while [ $n -lt %d ]; do sleep 5 >/dev/null 2>&1 & n=$((n+1)); echo $n; done" % PROCESSES
    said = subprocess.run(["/bin/sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    forked = int(said.split()[-1])
    return judged("fork-200", forked < PROCESSES, "%d of %d processes were started" % (forked, PROCESSES))


def exceed_memory(megabytes):
    """Comes back only where nothing ended it."""
    held = [bytearray(os.urandom(16) * MEBIBYTE) for _ in range(megabytes // 16)]
    return judged("exceed-memory", False, "%d MB were held" % (len(held) * 16))


def connect_abstract(name):
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect("\0" + name)
        return "connected to @%s" % name


def list_processes():
    seen = sum(name.isdigit() for name in os.listdir("/proc"))
    return {"name": "list-processes", "holds": seen <= OWN_PROCESSES_MAX, "evidence": "%d processes seen" % seen}


def connect(host, port):
    with socket.create_connection((host, port), CONNECT_LIMIT_SECONDS):
        return "connected to %s:%d" % (host, port)
