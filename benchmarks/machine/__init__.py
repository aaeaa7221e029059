"""What a measurement runs on: interpreters, the checkout, cores and cards, memory, noise; one measurement at a time."""
