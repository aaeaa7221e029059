"""Trained networks: checkpoints, training, evaluation, exchange, prediction, the demo."""
