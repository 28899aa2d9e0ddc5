"""Errors of its own, raised from below."""


class ValidationError(Exception):
    def __init__(self, field):
        super().__init__("%s is missing" % field)
        self.field = field


def required(event, field):
    if field not in event:
        raise ValidationError(field)
    return event[field]


def handler(event, context):
    return {"name": required(event, "name")}
