"""Predicting laughter in podcasts, also before it begins, from frames of a speech model.

Conventions throughout: frames come at 12.5 Hz; frame ``i`` spans ``[i / 12.5, (i + 1) / 12.5)``
seconds; events are ``(start_s, end_s)`` in seconds from the start of the episode; probabilities and
labels are one value per frame.

    labels         events to frame targets
    shards         frames of an episode, wherever they are kept
    data           shuffled batches of many episodes, from memory
    streaming      the same, read as they are needed
    network        the head that turns a frame into a logit (or a time)
    losses         cross entropy, focal losses, losses of times
    metrics        how good the values per frame are
    event_metrics  how good events and warnings are
    bootstrap      how sure a metric is
    config         what decides a training but for its data
    module         one epoch of it (Lightning)
    progress       what it remembers from epoch to epoch
    training       ``fit``: the whole of it, which survives interruption
    predictor      a trained checkpoint applied to an episode
    events         probabilities to events and to label tracks
"""
