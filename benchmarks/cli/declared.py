"""Imported first by both programs: a network that cannot be declared is bad input, one line and no traceback.

Every other module of theirs imports the declarations, so that none can say it.
"""

from __future__ import annotations

import sys

from adapters.declaration import DeclarationError

try:
    import adapters.recipes  # noqa: F401
except DeclarationError as error:
    print(error, file=sys.stderr)  # noqa: T201
    sys.exit(2)
