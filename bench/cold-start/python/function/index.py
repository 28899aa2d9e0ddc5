def handler(event, context):
    return {"greeting": "Hello, %s" % event["name"]}
