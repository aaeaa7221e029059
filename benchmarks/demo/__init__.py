"""The page to draw on: warm workers behind a small server, and what a browser shows of them."""
