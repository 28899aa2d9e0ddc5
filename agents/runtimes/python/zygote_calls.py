"""The system calls of a zygote that Python has no functions for. Each raises an OSError that names it."""

import ctypes
import os
import platform

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MNT_DETACH = 2

# linux/mount.h and linux/fcntl.h.
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
MOVE_MOUNT_F_EMPTY_PATH = 4
RESOLVE_IN_ROOT = 0x10

# linux/prctl.h, linux/seccomp.h and linux/capability.h.
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION_3 = 0x20080522
CAPABILITIES = 64

# Numbers of asm/unistd_64.h and asm-generic/unistd.h; those from 424 on are everybody's.
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[platform.machine()]
OPEN_TREE, MOVE_MOUNT, OPENAT2, MOUNT_SETATTR = 428, 429, 437, 442

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


class MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


class FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def checked(name, outcome):
    if outcome == -1:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (name, os.strerror(number)))
    return outcome


def call(name, number, *arguments):
    return checked(name, libc.syscall(ctypes.c_long(number), *[wide(each) for each in arguments]))


def wide(argument):
    """Variadic arguments are cut to an int otherwise."""
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def fork_bare():
    """The process alone, for one that does next to nothing: Python's own `fork` also mends what threads and modules had begun, in each copy."""
    return checked("fork", libc.fork())


def unshare(flags):
    checked("unshare", libc.unshare(flags))


def setns(descriptor, kind):
    checked("setns", libc.setns(descriptor, kind))


def mount(source, target, kind, flags, options=""):
    checked("mount " + target, libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()))


def unmount(target):
    checked("umount2", libc.umount2(target.encode(), MNT_DETACH))


def pivot_root(new, old):
    call("pivot_root", PIVOT_ROOT, new.encode(), old.encode())


def set_attributes(descriptor, path, attributes, is_recursive):
    changes = MountAttributes(attr_set=attributes)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if is_recursive else 0)
    call("mount_setattr", MOUNT_SETATTR, descriptor, path.encode(), flags, ctypes.byref(changes), ctypes.sizeof(changes))


def bind(root, source, target, attributes):
    """Shows what lies at `source` below the folder `root`, where links lead too, at `target`; nobody sees it without the attributes."""
    how = OpenHow(flags=os.O_PATH | os.O_CLOEXEC, mode=0, resolve=RESOLVE_IN_ROOT)
    found = call("openat2 " + source, OPENAT2, root, source.encode(), ctypes.byref(how), ctypes.sizeof(how))
    tree = call("open_tree", OPEN_TREE, found, b"", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH | os.O_CLOEXEC)
    os.close(found)
    set_attributes(tree, "", attributes, True)
    call("move_mount " + target, MOVE_MOUNT, tree, b"", AT_FDCWD, target.encode(), MOVE_MOUNT_F_EMPTY_PATH)
    os.close(tree)


def prctl(option, argument=0, more=0):
    return checked("prctl", libc.prctl(option, ctypes.c_ulong(argument), more, ctypes.c_ulong(0), ctypes.c_ulong(0)))


def drop_bounding_set():
    """What a process could ever gain; ends at the first number that this kernel has no capability for."""
    for capability in range(CAPABILITIES):
        if libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) == -1:
            return


def drop_capabilities():
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    checked("capset", libc.capset(header, (ctypes.c_uint32 * 6)()))


def install_filter(program):
    """System calls are judged by it from now on, in all that is forked from here, too."""
    filter_program = FilterProgram(len(program) // 8, program)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter_program))
