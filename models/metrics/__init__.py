"""What is measured on whole sets while training, and by evaluations afterwards.

NumPy or PyTorch on the outputs of an epoch; what only the assets measure stands in `audio_assets.metrics`:

    frames     probabilities of frames: average precision, F1, calibration and so on
    times      errors of predicted times
    retrieval  rankings by similarity: mean rank, hit rates, mean average precision
"""
