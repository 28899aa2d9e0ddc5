"""The Python half of canary.mjs: the same attempts, and system calls that no program of the machine is needed for."""

import ctypes
import os
import platform
import socket

CONNECT_LIMIT_SECONDS = 0.3
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
    return [
        refused("read-agent-files", lambda: "read %d bytes" % len(open(event["agentFile"], "rb").read())),
        refused("signal-agent", lambda: "could be signalled: %s" % os.kill(event["agentPid"], 0)),
        refused("read-neighbour", lambda: "read %d bytes" % len(open(event["neighbourFile"], "rb").read())),
        refused("write-outside-tmp", lambda: "wrote %s" % open("meridian-canary", "w").name),
        list_processes(),
        fails("mount", mount_for_itself),
        fails("ptrace", libc.syscall, number("ptrace"), PTRACE_ATTACH, 1, 0, 0),
        fails("ptrace", libc.syscall, number("ptrace"), PTRACE_ATTACH, event["agentPid"], 0, 0),
        fails("filtered-calls", libc.syscall, number("unshare"), CLONE_NEWUSER),
        fails("filtered-calls", libc.syscall, number("bpf"), 0, 0, 0),
        fails("filtered-calls", libc.syscall, number("keyctl"), 0, 0, 0),
        fails("filtered-calls", libc.syscall, number("userfaultfd"), 0),
        refused("reach-agent-port", lambda: connect("127.0.0.1", event["port"])),
        refused("reach-metadata", lambda: connect("169.254.169.254", 80)),
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


def list_processes():
    seen = sum(name.isdigit() for name in os.listdir("/proc"))
    return {"name": "list-processes", "holds": seen <= OWN_PROCESSES_MAX, "evidence": "%d processes seen" % seen}


def connect(host, port):
    with socket.create_connection((host, port), CONNECT_LIMIT_SECONDS):
        return "connected to %s:%d" % (host, port)
