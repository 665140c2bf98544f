"""One loop for all trainings, and what it is made of.

fit          a whole training of any LightningModule, which survives being killed at any step
settings     what decides its course, and the machine it runs on
progress     what it remembers, in memory and on disk: history, best epoch, state to go on from
interrupted  what an epoch has gathered so far, so that it can be taken up where it was left
averaging    the moving average of weights
guards       stop where a loss is not finite
schedules    learning rates: warm-up, then constant or a cosine
whole_sets   modules measured on all outputs of an epoch, of all processes together
miners       triplets to learn from, found within a batch

epochs       what a data set is: the batches of one process in one pass
examples     batches of named tensors of any length
samplers     which examples make up a batch: shuffled, shard by shard, M per class
packed       examples in files, read as they are needed
frames       batches of single frames of long recordings, from memory
shards       frames of a recording, wherever they are kept
streaming    batches of frames, read as they are needed

checkpoint   a trained network on disk: safetensors and JSON
config       typed configurations to JSON and back
state        the state of an unfinished training, without a pickle
"""
