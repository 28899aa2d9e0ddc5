"""Has loaded what instances of Python need, and forks one each time it is asked to, each in a sandbox of its own: they share the memory
of what is loaded, and start without loading it. Requests come on standard input, a head and JSON; a length of 0 is the last.
What is said on standard output is a JSON object a line. Nothing of a function ever gets here: a request says where and as whom, and is read
by the process it is for. Linux, as root, Python 3.8 or newer."""

from zygote_usual import LOADED, SOURCE

import base64
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
import types

import meridian_preloaded
import zygote_calls as calls
from zygote_cell import MACHINE, enter, open_root, stand_first

REQUEST_BYTES_MAX = 65_536
DESCRIPTORS_MAX = 4_096
SIGNAL_CODES_FROM = 128
# How long what follows is, as which user, and whether with a network of its own.
HEAD = struct.Struct(">IIB")
RUNNER = "/var/runtime/runner.py"
# What handlers import most; each is loaded once, and its memory shared by all.
PRELOADED = (
    "asyncio base64 collections concurrent.futures contextlib copy csv dataclasses datetime decimal email.message enum functools "
    "hashlib hmac html http.client inspect itertools math operator pathlib pickle random re secrets shutil ssl statistics string "
    "subprocess tempfile textwrap traceback typing urllib.parse urllib.request uuid zipfile zlib"
).split()


def load():
    """A module that this Python was built without is nobody's loss."""
    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except ImportError:
            pass
    tops = {name.split(".")[0] for name in set(sys.modules) - LOADED}
    meridian_preloaded.names.update(tops - {name.split(".")[0] for name in LOADED})
    # An extension's first use, of what every runner does.
    json.dumps(json.loads('{"a": [1, "b", null]}'))


def say(**words):
    os.write(1, json.dumps(words).encode() + b"\n")


def read_exactly(view):
    """No more than is asked for: what comes next may be for another instance. False at the end."""
    filled = 0
    while filled < len(view):
        count = os.readv(0, [view[filled:]])
        if count == 0:
            return False
        filled += count
    return True


def read_line():
    """Byte by byte, for the same reason."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os._exit(0)
        line += byte
    return line


class Zygote:
    def __init__(self, settings, own_processes):
        self.limits = settings["limits"]
        self.filter_program = base64.b64decode(settings["filter"])
        self.arguments = [RUNNER, *sys.argv[1:]]
        self.own_processes = own_processes
        self.runner = load_runner()
        self.firsts = {}
        self.is_retired = False

    def serve(self):
        ends, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        wanted = select.poll()
        wanted.register(0, select.POLLIN)
        wanted.register(ends, select.POLLIN)
        while not (self.is_retired and not self.firsts):
            for descriptor, _ in wanted.poll():
                if descriptor == ends:
                    os.read(ends, DESCRIPTORS_MAX)
                    self.reap()
                elif not self.obey():
                    return

    def obey(self):
        """False when whoever asks is gone."""
        head = bytearray(HEAD.size)
        if not read_exactly(memoryview(head)):
            return False
        request_bytes, user, has_own_network = HEAD.unpack(head)
        if request_bytes == 0:
            self.is_retired = True
            return True
        request = bytearray(min(request_bytes, REQUEST_BYTES_MAX))
        if request_bytes > REQUEST_BYTES_MAX or not read_exactly(memoryview(request)):
            return False
        self.fork(request, user, has_own_network)
        # The next one to be forked is not to find it in memory that is free again.
        request[:] = bytes(request_bytes)
        return True

    def fork(self, request, user, has_own_network):
        """Two processes of a new namespace: the first, which reaps what others leave there, and the instance."""
        first = None
        try:
            # Of the namespace made last, only its first process could make more.
            calls.setns(self.own_processes, calls.CLONE_NEWPID)
            calls.unshare(calls.CLONE_NEWPID)
            first = calls.fork_bare()
            if first == 0:
                self.become_first(user)
            instance = os.fork()
        except OSError as error:
            if first is not None:
                os.kill(first, signal.SIGKILL)
            say(kind="failed", reason=str(error))
            return
        if instance == 0:
            self.become_instance(request, user, has_own_network)
        self.firsts[instance] = first
        try:
            # Here too, so that whoever is told of it finds its group.
            os.setpgid(instance, instance)
        except OSError:
            pass
        say(kind="forked", pid=instance)

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            first = self.firsts.pop(pid, None)
            if first is not None:
                os.kill(first, signal.SIGKILL)
                say(kind="ended", pid=pid, code=code_of(status))

    def become_first(self, user):
        """Never returns, whatever happens: there is only one zygote."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            # The kernel reaps for whoever does not want to know.
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            os.closerange(0, DESCRIPTORS_MAX)
            stand_first(user, self.filter_program)
            while True:
                signal.pause()
        finally:
            os._exit(1)

    def become_instance(self, request, user, has_own_network):
        """Nor does this."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            os.closerange(3, DESCRIPTORS_MAX)
            said = json.loads(request)
            open_stdio(said["stdio"])
            enter({**said["cell"], "user": user, "hasOwnNetwork": has_own_network}, self.limits, self.filter_program)
            run_instance(self.runner, self.arguments)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)


def code_of(status):
    """As a shell tells it."""
    return SIGNAL_CODES_FROM + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def open_stdio(stdio):
    """One socket for all three: who listens is told whose it is, then both sides may talk."""
    os.chdir(MACHINE + stdio["folder"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.connect(stdio["name"])
        os.chdir("/")
        link.sendall(stdio["word"].encode() + b"\n")
        for descriptor in range(3):
            os.dup2(link.fileno(), descriptor)


def load_runner():
    """What the interpreter would have run, had it been started with it; it begins when it is told to."""
    runner = types.ModuleType("runner")
    runner.__file__ = RUNNER
    exec(compile(SOURCE, RUNNER, "exec"), runner.__dict__)
    return runner


def run_instance(runner, arguments):
    # Programs look into their own /proc/self, which a change of user closes.
    calls.prctl(calls.PR_SET_DUMPABLE, 1)
    os.chdir("/var/task")
    os.environ.clear()
    sys.argv[:] = arguments
    runner.__name__ = "__main__"
    sys.modules["__main__"] = runner
    for name in ("zygote_calls", "zygote_cell", "zygote_usual"):
        del sys.modules[name]
    gc.enable()
    runner.main()


def main():
    settings = json.loads(read_line())
    own_processes = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    load()
    open_root(settings["entries"])
    calls.drop_bounding_set()
    sys.path[0] = os.path.dirname(RUNNER)
    os.environ.clear()
    zygote = Zygote(settings, own_processes)
    gc.disable()
    gc.collect()
    gc.freeze()
    say(kind="ready")
    zygote.serve()


main()
