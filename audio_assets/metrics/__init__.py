"""Metrics that only the assets use.

NumPy on arrays, without PyTorch; what is also measured while training stands in `models.metrics`:

    events     events and alarms, matched with the truth
    bootstrap  how sure a metric is
"""
