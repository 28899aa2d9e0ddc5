"""Imported first by a zygote: the runner as code, and what each instance has loaded that does not come from a zygote."""

import os
import sys

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "runner.py")
with open(PATH, encoding="utf-8") as file:
    SOURCE = file.read()

# The runner's imports and nothing else of it; those within its functions are indented.
exec("\n".join(line for line in SOURCE.splitlines() if line.startswith(("import ", "from "))), {})
LOADED = frozenset(sys.modules)
