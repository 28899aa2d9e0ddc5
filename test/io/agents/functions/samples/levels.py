"""Prints in every way there is."""

import logging
import sys

logger = logging.getLogger(__name__)
logging.basicConfig(level=logging.INFO)
logging.getLogger().setLevel(logging.INFO)
sys.stdout.reconfigure(line_buffering=True)


def handler(event, context):
    logger.debug("not this one")
    logger.warning("at %s", "warning")
    print("printed")
    print("to stderr", file=sys.stderr)
    sys.stdout.buffer.write("as bytes ü\n".encode())
    sys.stdout.buffer.flush()
    return "printed"
