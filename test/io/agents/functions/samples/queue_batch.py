"""Works off a batch of messages, and names those that shall come again."""

import json


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            if not json.loads(record["body"])["amount"] > 0:
                raise ValueError("amount")
        except (ValueError, KeyError, TypeError):
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
