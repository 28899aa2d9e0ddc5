"""A handler's result as JSON text."""

import functools
import json
import os
import re
import sys



@functools.lru_cache(maxsize=None)
def decimal_mark():
    """Nobody's text holds it by accident, nor on purpose: it is new in each instance, also in one that was forked."""
    return "decimal-" + os.urandom(16).hex()


def to_json(result):
    """Decimals, which databases give, become the numbers that they are, digit for digit."""
    decimals = []

    def default(value):
        # Only where it was imported can there be one.
        module = sys.modules.get("decimal")
        if module is None or not isinstance(value, module.Decimal):
            raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)
        decimals.append("NaN" if value.is_nan() else str(value))
        return "%s:%d" % (decimal_mark(), len(decimals) - 1)

    text = json.dumps(result, ensure_ascii=False, default=default)
    if not decimals:
        return text
    return re.sub('"%s:([0-9]+)"' % decimal_mark(), lambda found: decimals[int(found[1])], text)
