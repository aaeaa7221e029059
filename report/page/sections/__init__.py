"""The sections of the page, each a file with a section, or a part that sections and the Markdown share."""

from __future__ import annotations
