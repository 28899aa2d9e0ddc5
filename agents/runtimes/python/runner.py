"""Runs one version of a Python function: reads one line of settings from standard input, loads the handler, connects to the
agent and serves its calls. Frames are those of lib/contracts/instance-frames.ts. Standard library only, Python 3.8 or newer."""

import _sitebuiltins
import builtins
import contextvars
import importlib
import io
import json
import logging
import os
import queue
import socket
import struct
import sys
import threading
import time
import types

import meridian_preloaded
from meridian_errors import HandlerNotFound, error_payload, init_error_payload
from meridian_json import to_json
from meridian_settings import read_settings

READY, INIT_ERROR, INVOKE, RESULT, ERROR, LOG, CANCEL, DRAIN = range(1, 9)
RESULT_BYTES_MAX = 6 * 1024 * 1024
RETRY_MIN_SECONDS = 0.005
RETRY_MAX_SECONDS = 0.1
LOG_CHARACTERS_MAX = 16_384

current_call = contextvars.ContextVar("current_call", default=0)
send_lock = threading.Lock()
settings = None
handler = None
agent = None
calls = {}
is_draining = False


class Context:
    def __init__(self, header, deadline):
        self.function_name = header["functionName"]
        self.function_version = header["functionVersion"]
        self.invoked_function_arn = "arn:meridian:lambda::%s:function:%s:%s" % (
            header["tenant"],
            header["functionName"],
            header["functionVersion"],
        )
        self.memory_limit_in_mb = str(header["memoryMegabytes"])
        self.aws_request_id = header["requestId"]
        self.traceparent = header.get("traceparent")
        self.tracestate = header.get("tracestate")
        self.log_group_name = "/meridian/%s/%s" % (header["tenant"], header["functionName"])
        self.log_stream_name = settings["instance"]
        # Who calls with an identity of Amazon Cognito has one there; handlers read its members without asking for it.
        self.identity = types.SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self.client_context = None
        self._deadline = deadline
        self.cancelled = threading.Event()

    def get_remaining_time_in_millis(self):
        return max(0, int((self._deadline - time.monotonic()) * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


class AgentWriter(io.TextIOBase):
    """Takes the place of stdout and stderr: whole lines go to the agent with the id of their call."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self):
        self._unsent = {}

    def write(self, text):
        call_id = current_call.get() or only_call()
        unsent = self._unsent.pop(call_id, "") + text
        whole, newline, rest = unsent.rpartition("\n")
        if len(rest) > LOG_CHARACTERS_MAX:
            whole, newline, rest = unsent, "", ""
        if rest:
            self._unsent[call_id] = rest
        self._send(call_id, whole + newline)
        return len(text)

    def end_call(self, call_id):
        self._send(call_id, self._unsent.pop(call_id, ""))

    def _send(self, call_id, text):
        for start in range(0, len(text), LOG_CHARACTERS_MAX):
            send(LOG, call_id, text[start : start + LOG_CHARACTERS_MAX].encode("utf-8", "replace"))

    def writable(self):
        return True

    def reconfigure(self, **options):
        """Programs ask for lines or another encoding; here come lines, in UTF-8."""

    @property
    def buffer(self):
        return ByteWriter(self)

    def fileno(self):
        return 1


class ByteWriter(io.BufferedIOBase):
    """What libraries find under `sys.stdout.buffer`."""

    def __init__(self, writer):
        self._writer = writer

    def writable(self):
        return True

    def write(self, raw):
        self._writer.write(bytes(raw).decode("utf-8", "replace"))
        return len(raw)


class CallFormatter(logging.Formatter):
    """As AWS Lambda writes what a handler logs: level, time and request id, parted by tabs."""

    converter = time.gmtime

    def __init__(self):
        super().__init__("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record):
        context = calls.get(current_call.get() or only_call())
        record.aws_request_id = "" if context is None else context.aws_request_id
        return super().format(record)


def only_call():
    """Threads of the handler's own do not carry its context; with one call running there is no doubt."""
    running = list(calls)
    return running[0] if len(running) == 1 else 0


def send(kind, call_id, payload):
    """What no agent is there to read is dropped; who reads its frames notices too, and looks for the next one."""
    with send_lock:
        try:
            if agent is not None:
                agent.sendall(encode_frame(kind, call_id, payload))
        except OSError:
            pass


def encode_frame(kind, call_id, payload):
    return struct.pack(">IBI", 5 + len(payload), kind, call_id) + payload


def meet_agent(kind, words):
    """The first frame of a connection says whose it is, and what still runs of what the agent before gave."""
    global agent
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.connect(settings["socketPath"])
    with send_lock:
        agent = link
        running = [
            {"callId": call_id, "requestId": context.aws_request_id, "leftMs": context.get_remaining_time_in_millis()}
            for call_id, context in list(calls.items())
        ]
        said = {"instanceToken": settings["token"], **({"running": running} if running else {}), **words}
        link.sendall(encode_frame(kind, 0, json.dumps(said).encode("utf-8")))


def lose_agent():
    global agent
    with send_lock:
        if agent is not None:
            agent.close()
        agent = None
    # Whoever waited for these is gone with the agent.
    for context in list(calls.values()):
        context.cancelled.set()


def load_handler():
    path, _, name = settings["handler"].rpartition(".")
    sys.path.insert(0, settings["codeDirectory"])
    meridian_preloaded.give_way(settings["codeDirectory"])
    module_name = os.path.normpath(path).replace("/", ".")
    if module_name.startswith("."):
        raise ModuleNotFoundError("the handler %s is outside of the code" % settings["handler"])
    module = importlib.import_module(module_name)
    found = getattr(module, name, None)
    if not callable(found):
        raise HandlerNotFound("Handler '%s' missing on module '%s'" % (name, module_name))
    return found


def run_call(call_id, header, event_json):
    current_call.set(call_id)
    context = calls[call_id]
    # With several calls at once the environment could only be wrong.
    if settings["concurrency"] == 1:
        set_trace_environment(header.get("xrayTraceId"))
    try:
        result = handler(json.loads(event_json), context)
        if isinstance(result, types.CoroutineType):
            # Slow to load, and few handlers need it.
            import asyncio

            result = asyncio.run(result)
        end_with_result(call_id, result)
    except Exception as error:
        end_call(call_id, ERROR, json.dumps(error_payload(error, settings)).encode("utf-8"))
    except SystemExit as leaving:
        exit_now(leaving.code)
    finally:
        current_call.set(0)


def set_trace_environment(trace_id):
    """Where libraries of AWS X-Ray look for the trace of the call."""
    if trace_id is None:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    else:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id


def exit_now(code):
    if code is not None and not isinstance(code, int):
        os.write(2, (str(code) + "\n").encode("utf-8", "replace"))
        code = 1
    os._exit(code or 0)


def end_with_result(call_id, result):
    try:
        raw = b"" if result is None else to_json(result).encode("utf-8")
    except (TypeError, ValueError, UnicodeEncodeError) as error:
        end_call(call_id, ERROR, json.dumps(error_payload(error, settings, "Runtime.MarshalError")).encode("utf-8"))
        return
    if len(raw) > RESULT_BYTES_MAX:
        message = "Response payload size (%d bytes) exceeded maximum allowed payload size (%d bytes)." % (len(raw), RESULT_BYTES_MAX)
        end_call(call_id, ERROR, json.dumps({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}).encode("utf-8"))
        return
    end_call(call_id, RESULT, raw)


def end_call(call_id, kind, payload):
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, AgentWriter):
            stream.end_call(call_id)
    calls.pop(call_id, None)
    send(kind, call_id, payload)
    if is_draining and not calls:
        os._exit(0)


def read_exactly(count):
    parts = []
    while count > 0:
        part = agent.recv(min(count, 1 << 20))
        if not part:
            raise ConnectionResetError("the agent is gone")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_frame(on_invoke):
    global is_draining
    length, kind, call_id = struct.unpack(">IBI", read_exactly(9))
    payload = read_exactly(length - 5)
    if kind == INVOKE:
        header_end = 4 + struct.unpack(">I", payload[:4])[0]
        header = json.loads(payload[4:header_end])
        calls[call_id] = Context(header, time.monotonic() + header["deadlineMs"] / 1000)
        on_invoke(call_id, header, payload[header_end:])
    elif kind == CANCEL and call_id in calls:
        calls[call_id].cancelled.set()
    elif kind == DRAIN:
        is_draining = True
        if not calls:
            os._exit(0)


def read_frames(on_invoke):
    """An agent that is gone may have a successor on the same path, which takes over who comes; the launcher decides how long that may take."""
    retry_seconds = RETRY_MIN_SECONDS
    while True:
        try:
            meet_agent(READY, {})
            while True:
                read_frame(on_invoke)
                # Not by the connection alone: an agent that does not know this instance yet hangs up.
                retry_seconds = RETRY_MIN_SECONDS
        except OSError:
            lose_agent()
        time.sleep(retry_seconds)
        retry_seconds = min(RETRY_MAX_SECONDS, retry_seconds * 2)


def serve():
    if settings["concurrency"] > 1:
        # Slow to load, and few functions ask for it.
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(max_workers=settings["concurrency"])
        read_frames(lambda *call: pool.submit(run_call, *call))
        return
    # One call at a time runs on the main thread, where signals and most libraries expect it.
    waiting = queue.SimpleQueue()
    threading.Thread(target=read_frames, args=(lambda *call: waiting.put(call),), daemon=True).start()
    while True:
        run_call(*waiting.get())


def end_with_launcher():
    """The launcher holds the other end of standard input: its end is the end of this process."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def main():
    global settings, handler
    settings = read_settings()
    threading.Thread(target=end_with_launcher, daemon=True).start()
    # The folder of this file is not the function's business; where packages are was found out once, instead of by each `import site`.
    sys.path.pop(0)
    sys.path.extend(sys.argv[1:])
    del sys.argv[1:]
    builtins.exit, builtins.quit = _sitebuiltins.Quitter("exit", ""), _sitebuiltins.Quitter("quit", "")
    root_handler = logging.StreamHandler(sys.stdout)
    root_handler.setFormatter(CallFormatter())
    logging.getLogger().addHandler(root_handler)
    try:
        handler = load_handler()
    except Exception as error:
        meet_agent(INIT_ERROR, init_error_payload(error, settings))
        os._exit(1)
    except SystemExit as leaving:
        sys.stdout.flush()
        exit_now(leaving.code)
    sys.stdout.flush()
    sys.stdout, sys.stderr = AgentWriter(), AgentWriter()
    for log_handler in logging.getLogger().handlers:
        if isinstance(log_handler, logging.StreamHandler) and not isinstance(log_handler, logging.FileHandler):
            log_handler.stream = sys.stdout
    serve()


# A process that instances are forked from loads this file as well, and begins in each of them.
if __name__ == "__main__":
    main()
