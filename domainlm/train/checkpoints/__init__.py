"""Checkpoints of a run on any grid of ranks: whole or not there, checked by hash, the last good one found again.

```
WORK/checkpoints/step-00000500/
    weights-00003.safetensors    what world rank 3 writes of the parameters and buffers
    optimizer-00003.safetensors  what it writes of moments and step counts, named PARAMETER|KEY
    files/MILESTONE/NAME         files that milestones keep
    manifest.json                written last: step, run, grid, state; every tensor's shape and where its pieces are;
                                 size and sha256 of every file, and of the manifest itself
```

Tensors have their names and shapes in the whole model; a rank's shard is a rectangular piece of one, with its offsets.
So a checkpoint says nothing that depends on the grid it was written on, and any grid reads its own pieces of it.
A checkpoint whose step still has milestones to do is called `step-00000500-unsettled`. While it is written it is called
`.step-00000500.partial`, and nobody takes it for one.
"""
