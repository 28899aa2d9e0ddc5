"""A package of its own, with neighbours and a dependency beside it."""

from vendored_words import GREETING
from .words import ending

calls = 0


def handler(event, context):
    global calls
    calls += 1
    return {"text": GREETING + ending(), "isFirst": calls == 1}
