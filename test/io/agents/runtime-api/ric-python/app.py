import logging
import os

logging.getLogger().setLevel(logging.INFO)


class NobodyError(Exception):
    pass


def greet(event, context):
    return {
        "text": "Hello %s" % event["name"],
        "requestId": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "function": "%s@%s" % (context.function_name, context.function_version),
        "memory": context.memory_limit_in_mb,
        "logs": "%s %s" % (context.log_group_name, context.log_stream_name),
        "remainingMs": context.get_remaining_time_in_millis(),
        "identity": context.identity.cognito_identity_id,
        "clientContext": context.client_context,
        "pid": os.getpid(),
    }


def fails(event, context):
    raise NobodyError("nobody to greet")


def prints(event, context):
    print("a line")
    logging.info("a record")


def huge(event, context):
    return "x" * (6 * 1024 * 1024)


def cannot_be_json(event, context):
    return {1, 2}
