import os
import random
import signal
import socket
import statistics
import time


def handler(event, context):
    act = event.get("act")
    if act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if act == "signal-first":
        os.kill(1, signal.SIGKILL)
    if act == "orphan":
        return {"zombies": leave_orphan()}
    if act == "network":
        return {"interfaces": [name for _, name in socket.if_nameindex()], "loopback": has_loopback()}
    return {
        "pid": os.getpid(),
        "random": random.random(),
        "statistics": getattr(statistics, "whose", "the standard library's"),
        "variables": sorted(os.environ),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "root": sorted(os.listdir("/")),
    }


def has_loopback():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        return True


def leave_orphan():
    """A child of one that is gone before it: nobody in here asks for its end."""
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            time.sleep(0.05)
        os._exit(0)
    os.waitpid(child, 0)
    until = time.monotonic() + 5
    while len(processes()) > 2 and time.monotonic() < until:
        time.sleep(0.01)
    return len(processes()) - 2


def processes():
    return [name for name in os.listdir("/proc") if name.isdigit()]
