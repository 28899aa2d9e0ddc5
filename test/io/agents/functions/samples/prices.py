"""Answers with what a database gives: decimals and dates, and what is none of JSON's."""

from datetime import date
from decimal import Decimal


def handler(event, context):
    return {"price": Decimal("10.10"), "rows": [{"n": Decimal(3)}, {"n": Decimal("0.1")}], "text": "ü"}


def dated(event, context):
    return {"on": date(2026, 11, 21)}


def generates(event, context):
    yield 1


async def generates_later(event, context):
    yield 1
