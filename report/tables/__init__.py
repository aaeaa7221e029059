"""From rows to comparison tables: cells, ratios and verdicts, two sets side by side, the gate."""
