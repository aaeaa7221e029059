"""From rows to answers: pandas frames, comparison tables, the report page.

    from report import load, compare, pivot, records

Imports benchmarks and adapters, and is imported by neither. Only this package imports pandas and pyarrow.
"""

from report.compare import compare as compare
from report.load import load as load
from report.load import records as records
from report.pivot import pivot as pivot
