"""Greets event["name"]: the same function as ../hello, in Python, at both doors."""


def handler(event, context):
    name = name_of(event)
    print(f"greeting {name}")
    return {"greeting": f"Hello, {name}!"}


def name_of(event):
    if not isinstance(event, dict):
        return "world"
    is_http = "http" in event.get("requestContext", {})
    name = (event.get("queryStringParameters") or {}).get("name") if is_http else event.get("name")
    return name if isinstance(name, str) and name else "world"
