"""From files to rows: which lines are valid, which launches count, and what is wrong with a folder of results."""
