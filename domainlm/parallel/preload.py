"""Imports what every rank needs, in the process that ranks are forked from."""

import fairscale.nn.model_parallel
import fairscale.optim.oss
import torch.distributed

__all__ = ["fairscale", "torch"]
