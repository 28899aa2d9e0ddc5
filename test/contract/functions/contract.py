"""What test/contract/driver.contract.ts asks of a function, for the Python runtime."""

import sys
import time


def echoes(event, context):
    return {"event": event, "requestId": context.aws_request_id}


def answersNothing(event, context):
    pass


def throws(event, context):
    raise ValueError("too far")


def neverAnswers(event, context):
    while True:
        pass


def exitsWith7(event, context):
    sys.exit(7)


def printsOneLine(event, context):
    print("one line")


def sleepsEventMs(event, context):
    time.sleep(event["ms"] / 1000)
    return event
