import logging
import os
import subprocess
import sys
import time


def echo(event, context):
    return {
        "event": event,
        "requestId": context.aws_request_id,
        "function": "%s@%s" % (context.function_name, context.function_version),
        "memory": context.memory_limit_in_mb,
        "remainingMs": context.get_remaining_time_in_millis(),
        "pid": os.getpid(),
    }


def traced(event, context):
    said = {"traceparent": context.traceparent, "tracestate": context.tracestate, "environment": os.environ.get("_X_AMZN_TRACE_ID")}
    return {name: value for name, value in said.items() if value is not None}


def text(event, context):
    return "plain words"


def nothing(event, context):
    pass


async def throws(event, context):
    raise ValueError("too far")


def never(event, context):
    time.sleep(1000)


def says_who(event, context):
    time.sleep(event.get("ms", 0) / 1000)
    return {"instance": context.log_stream_name}


def spins(event, context):
    while True:
        pass


def exits(event, context):
    sys.exit(7)


def prints(event, context):
    print("one line")
    sys.stderr.write("and one to stderr\n")
    logging.getLogger().warning("a warning")
    return "printed"


def sleeps(event, context):
    time.sleep(event["ms"] / 1000)
    return {"pid": os.getpid()}


def fills(event, context):
    kept = []
    while True:
        kept.append(b"x" * 16 * 1024 * 1024)
        time.sleep(0.005)


def huge(event, context):
    return "x" * event["bytes"]


def marshal(event, context):
    return object()


def environment(event, context):
    return {**os.environ, "cwd": os.getcwd()}


def forks(event, context):
    child = subprocess.Popen(["sleep", "300"], stdin=subprocess.DEVNULL)
    return {"pid": os.getpid(), "childPid": child.pid}
