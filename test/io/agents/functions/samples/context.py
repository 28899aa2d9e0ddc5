"""Hands back all that it was told of its call and its place."""

import os

NAMES = [
    "_HANDLER",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "TZ",
    "LANG",
]


def handler(event, context):
    context.log("told through the context\n")
    return {
        "context": {
            "function_name": context.function_name,
            "function_version": context.function_version,
            "invoked_function_arn": context.invoked_function_arn,
            "memory_limit_in_mb": context.memory_limit_in_mb,
            "aws_request_id": context.aws_request_id,
            "log_group_name": context.log_group_name,
            "log_stream_name": context.log_stream_name,
            "identity": context.identity.cognito_identity_id,
            "client_context": context.client_context,
        },
        "environment": {name: os.environ.get(name) for name in NAMES},
        "runtime": "LAMBDA_RUNTIME_DIR" in os.environ,
    }
