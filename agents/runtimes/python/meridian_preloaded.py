"""Modules of the standard library that an instance has because the process had them that it was forked from."""

import os
import sys

# Filled by that process; no instance that was started by itself has any.
names = set()


def give_way(code_directory):
    """A function's own module of such a name is the one that it means, as it is where nothing was loaded before."""
    if not names:
        return
    own = {entry.split(".")[0] for entry in os.listdir(code_directory)} & names
    for loaded in [module for module in sys.modules if module.split(".")[0] in own]:
        del sys.modules[loaded]
