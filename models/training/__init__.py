"""One loop for all trainings, and what it is made of.

The loop:

    fit          a whole training of any LightningModule, which survives being killed at any step
    settings     what decides its course, and the machine it runs on
    progress     what it remembers, in memory and on disk: history, best epoch, state to go on from
    interrupted  what an epoch has gathered so far, so that it can be taken up where it was left
    randomness   random numbers: begun for an epoch, put aside, taken up again
    averaging    the moving average of weights
    guards       stop where a loss is not finite

What modules are made of:

    whole_sets   measured on all outputs of an epoch, of all processes together
    schedules    learning rates: warm-up, then constant or a cosine
    miners       triplets to learn from, found within a batch

What they learn from:

    epochs       what a data set is: the batches of one process in one pass
    examples     batches of named tensors of any length
    samplers     which examples make up a batch: shuffled, shard by shard, M per class
    packed       examples in files, read as they are needed
    frames       batches of single frames of long recordings, from memory
    shards       frames of a recording, wherever they are kept
    streaming    batches of frames, read as they are needed

What is left on disk:

    checkpoint   a trained network: safetensors and JSON
    config       typed configurations to JSON and back
    state        the state of an unfinished training, without a pickle
"""
