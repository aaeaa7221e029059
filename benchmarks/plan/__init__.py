"""What is to be measured: words that a user typed become a request, its axes cells, and cells launches in an order."""
