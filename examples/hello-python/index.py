"""Greets event["name"]: the same function as ../hello, in Python, at both doors."""


def handler(event, context):
    return {"greeting": f"Hello, {name_of(event)}!"}


def name_of(event):
    if not isinstance(event, dict):
        return "world"
    is_http = "http" in event.get("requestContext", {})
    name = (event.get("queryStringParameters") or {}).get("name") if is_http else event.get("name")
    return name if isinstance(name, str) and name else "world"
