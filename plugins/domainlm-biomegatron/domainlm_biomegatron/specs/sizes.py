"""The three sizes of the BioMegatron study, and small relatives of the same family.

345m is the shape of the released checkpoints. For 800m and 1.2b the paper gives the number of parameters only; their
shapes are those that the Megatron-LM family has at these sizes (Shoeybi et al. 2019). The relatives keep its rules:
a feed-forward layer four times as wide as the hidden states, layer normalisation before each sub-layer, 512 positions.
"""

from __future__ import annotations

from domainlm.api import ModelSizeSpec

SIZES = (
    ModelSizeSpec(
        name="biomegatron/1m",
        description="1.0 million parameters with a vocabulary of 4,000: for seconds on a laptop",
        layers=2,
        hidden=128,
        heads=2,
    ),
    ModelSizeSpec(
        name="biomegatron/2m",
        description="2.2 million parameters with a vocabulary of 4,000: for minutes on a laptop",
        layers=3,
        hidden=192,
        heads=3,
    ),
    ModelSizeSpec(
        name="biomegatron/5m",
        description="5.3 million parameters with a vocabulary of 8,000: for minutes on a laptop",
        layers=4,
        hidden=256,
        heads=4,
    ),
    ModelSizeSpec(
        name="biomegatron/22m",
        description="22 million parameters with a vocabulary of 30,000: for hours on a laptop",
        layers=6,
        hidden=384,
        heads=6,
    ),
    ModelSizeSpec(
        name="biomegatron/110m",
        description="109 million parameters with a vocabulary of 30,000, as BERT-base: for one GPU",
        layers=12,
        hidden=768,
        heads=12,
    ),
    ModelSizeSpec(
        name="biomegatron/345m",
        description="the study's 345m: the shape of the released checkpoints, 24 layers of 1,024",
        layers=24,
        hidden=1024,
        heads=16,
    ),
    ModelSizeSpec(
        name="biomegatron/800m",
        description="the study's 800m: 36 layers of 1,280 (the Megatron-LM family's shape; not stated in the paper)",
        layers=36,
        hidden=1280,
        heads=20,
    ),
    ModelSizeSpec(
        name="biomegatron/1.2b",
        description="the study's 1.2b: 24 layers of 2,048 (the Megatron-LM family's shape; not stated in the paper)",
        layers=24,
        hidden=2048,
        heads=16,
    ),
)
