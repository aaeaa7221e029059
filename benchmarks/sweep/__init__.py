"""One sweep: it proves cells, launches them block by block, keeps every row and stops when a comparison is precise."""
