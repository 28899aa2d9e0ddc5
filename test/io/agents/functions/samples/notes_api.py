"""A small HTTP API behind a function URL or an API Gateway, payload 2.0."""

import base64
import json

notes = {}


def answer(status, body, **headers):
    return {"statusCode": status, "headers": {"Content-Type": "application/json", **headers}, "body": json.dumps(body)}


def lambda_handler(event, context):
    method = event["requestContext"]["http"]["method"]
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body).decode()
    route = (method, event["rawPath"])
    if route == ("GET", "/notes"):
        tag = (event.get("queryStringParameters") or {}).get("tag")
        return answer(200, {"tag": tag, "count": len(notes)})
    if route == ("POST", "/notes"):
        if not body:
            return answer(400, {"message": "no body"})
        note = json.loads(body)
        notes[note["id"]] = note
        return {**answer(201, note, Location="/notes/%s" % note["id"]), "cookies": ["last=1; HttpOnly"]}
    return answer(404, {"message": "no %s" % event["rawPath"]})
