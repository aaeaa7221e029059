"""The report page: one HTML file from results alone, that needs no network and gives the same bytes for the same rows.

`document.build` assembles it from one module a section. A section returns the parts of parts.py and knows no HTML;
the templates know no rows. Everything aggregates over launches first, so that the page's weight does not grow with
them.
"""
