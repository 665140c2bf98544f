"""Predicting laughter in podcasts, also before it begins, from frames of a speech model.

Conventions throughout: frames come at 12.5 Hz; frame ``i`` spans ``[i / 12.5, (i + 1) / 12.5)``
seconds; events are ``(start_s, end_s)`` in seconds from the start of the episode; probabilities and
labels are one value per frame.

    labels         events to frame targets
    network        the head that turns a frame into a logit (or a time)
    losses         cross entropy, focal losses, losses of times
    config         what decides a training but for its data
    module         what a step and an epoch of it are (Lightning)
    training       ``fit``: a head, its data and its configuration, given to the loop of all trainings
    predictor      a trained checkpoint applied to an episode
    events         probabilities to events and to label tracks
"""
