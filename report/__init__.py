"""From rows to answers: pandas frames, comparison tables, the report page.

    from report import load, compare

Imports benchmarks and adapters, and is imported by neither. Only this package imports pandas.
"""

from report.compare import compare as compare
from report.load import load as load
