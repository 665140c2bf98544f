"""Networks, losses, metrics, data sets and training loops, one package per model.

PyTorch only: arrays and tensors go in, values come out. Nothing here knows of Dagster, the lake,
object storage or MLflow, and nothing imports ``audio_assets``.
"""
