"""The sandbox of an instance that is forked: the same that bubblewrap makes, as far as it is the same for all made once, in the zygote."""

import fcntl
import os
import resource
import signal
import socket
import struct

import zygote_calls as calls

# Where the zygote has the machine's root file system, and each instance its own temporary folder in its place.
MACHINE = "/tmp"
READ_ONLY = calls.MOUNT_ATTR_RDONLY | calls.MOUNT_ATTR_NOSUID | calls.MOUNT_ATTR_NODEV
PLAIN = calls.MS_NOSUID | calls.MS_NODEV
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# Those of https://github.com/containers/bubblewrap, for whoever is root after all.
COVERED = ("sys", "sysrq-trigger", "irq", "bus")
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def open_root(entries):
    """A root file system of the zygote's own, with what all instances see; the machine's is below it."""
    # Asked while links lead where they lead on the machine.
    folders = {entry["source"] for entry in entries if entry["kind"] == "shown" and os.path.isdir(entry["source"])}
    calls.unshare(calls.CLONE_NEWNS)
    calls.mount("none", "/", "none", calls.MS_REC | calls.MS_PRIVATE)
    calls.mount("tmpfs", MACHINE, "tmpfs", PLAIN, "mode=0755")
    os.chdir(MACHINE)
    os.mkdir(MACHINE.strip("/"), 0o755)
    calls.pivot_root(".", "." + MACHINE)
    os.chdir("/")
    machine = os.open(MACHINE, os.O_PATH | os.O_DIRECTORY)
    for folder in ("proc", "etc", "var"):
        os.mkdir("/" + folder, 0o755)
    for folder in ("task", "empty"):
        os.mkdir("/var/" + folder, 0o755)
    make_file("/etc/passwd")
    for entry in entries:
        if entry["kind"] == "link":
            os.makedirs(os.path.dirname(entry["path"]), 0o755, exist_ok=True)
            os.symlink(entry["target"], entry["path"])
        elif entry["kind"] == "devices":
            open_devices(machine)
        else:
            make_place(entry["path"], entry["source"] in folders)
            calls.bind(machine, entry["source"], entry["path"], READ_ONLY)
    os.close(machine)
    for path in ("/dev", "/"):
        calls.set_attributes(calls.AT_FDCWD, path, calls.MOUNT_ATTR_RDONLY, False)


def open_devices(machine):
    os.mkdir("/dev", 0o755)
    calls.mount("tmpfs", "/dev", "tmpfs", PLAIN, "mode=0755")
    for name in DEVICES:
        make_file("/dev/" + name)
        calls.bind(machine, "/dev/" + name, "/dev/" + name, calls.MOUNT_ATTR_NOSUID)
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink("/proc/self/fd/%d" % descriptor, "/dev/" + name)
    for target, name in (("/proc/self/fd", "fd"), ("/proc/kcore", "core"), ("pts/ptmx", "ptmx")):
        os.symlink(target, "/dev/" + name)
    for name in ("shm", "pts"):
        os.mkdir("/dev/" + name, 0o755)


def make_place(path, is_folder):
    """What covers it later has to be of its kind."""
    os.makedirs(path if is_folder else os.path.dirname(path), 0o755, exist_ok=True)
    if not is_folder:
        make_file(path)


def make_file(path):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


def join_groups(directories):
    """A thread that joins by itself keeps nobody waiting, which a process that is moved does; version 2 knows processes alone."""
    for directory in directories:
        threads = MACHINE + directory + "/tasks"
        path = threads if os.path.exists(threads) else MACHINE + directory + "/cgroup.procs"
        with open(path, "w") as group:
            group.write("0")


def stand_first(user, filter_program):
    """The first process of a namespace, with whose end everything in there ends: it does nothing, sees nothing and has nothing."""
    os.chroot("/var/empty")
    os.chdir("/")
    drop_privileges(user, filter_program)


def enter(cell, limits, filter_program):
    """As a later one: everything else of the machine is out of reach afterwards, and so is the way back."""
    join_groups(cell["groups"])
    own_network = calls.CLONE_NEWNET if cell["hasOwnNetwork"] else 0
    calls.unshare(calls.CLONE_NEWNS | calls.CLONE_NEWIPC | calls.CLONE_NEWUTS | calls.CLONE_NEWCGROUP | own_network)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["fileBytes"], limits["fileBytes"]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits["descriptors"], limits["descriptors"]))
    if own_network:
        open_loopback()
    socket.sethostname("instance")
    furnish(cell, limits)
    drop_privileges(cell["user"], filter_program)


def furnish(cell, limits):
    """What an instance has of its own; the machine's root file system goes with it."""
    machine = os.open(MACHINE, os.O_PATH | os.O_DIRECTORY)
    calls.bind(machine, cell["task"], "/var/task", READ_ONLY)
    os.close(machine)
    calls.mount("proc", "/proc", "proc", PLAIN | calls.MS_NOEXEC)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    for name in COVERED:
        if os.path.exists("/proc/" + name):
            calls.bind(root, "/proc/" + name, "/proc/" + name, READ_ONLY)
    os.close(root)
    calls.mount("devpts", "/dev/pts", "devpts", calls.MS_NOSUID | calls.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    calls.mount("tmpfs", "/dev/shm", "tmpfs", PLAIN, "mode=1777,size=%d" % limits["sharedMemoryBytes"])
    calls.unmount(MACHINE)
    calls.mount("tmpfs", "/tmp", "tmpfs", PLAIN, "mode=1777,size=%d" % limits["temporaryBytes"])
    write_passwd(cell["user"])


def write_passwd(user):
    """A file that is nowhere but in its place."""
    written = os.open("/tmp/passwd", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
    os.write(written, b"instance:x:%d:%d::/tmp:/bin/sh\n" % (user, user))
    os.close(written)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    calls.bind(root, "/tmp/passwd", "/etc/passwd", READ_ONLY)
    os.close(root)
    os.unlink("/tmp/passwd")


def open_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        state = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0))
        flags = struct.unpack("16sh22x", state)[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def drop_privileges(user, filter_program):
    """The bounding set is empty since the zygote began. Whoever stops being root is root's, and cannot be looked into by others of its user."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    calls.drop_capabilities()
    # Forgotten with a change of user, so that it comes after.
    calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)
    calls.prctl(calls.PR_SET_NO_NEW_PRIVS, 1)
    calls.install_filter(filter_program)
