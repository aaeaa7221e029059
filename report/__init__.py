"""From rows to answers: pandas frames, comparison tables, the report page.

    from report import load, compare, pivot, records

Imports benchmarks and adapters, and is imported by neither. Only this package imports pandas and pyarrow. Without
pyarrow nothing of it can be used, and `python -m report` says so.
"""

from contextlib import suppress

from adapters.declaration import DeclarationError
from benchmarks.errors import has

if has("pyarrow"):  # an error here would come before __main__ can make one line of it
    with suppress(DeclarationError):  # nor of a network that cannot be
        from report.results.load import load as load
        from report.results.load import records as records
        from report.tables.compare import compare as compare
        from report.tables.compare import pivot as pivot
