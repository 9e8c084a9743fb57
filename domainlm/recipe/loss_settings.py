"""The keys of `[finetuning.loss]`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from domainlm.recipe.base import Settings


class LossSettings(Settings):
    """The loss of a task's labels."""

    kind: Literal["cross_entropy", "dice", "focal"] = "cross_entropy"
    """Cross-entropy, self-adjusting dice (Li et al. 2020, section 3.4) or focal loss (Lin et al. 2017, equation 4)."""
    label_weights: Literal["none", "balanced"] = "none"
    """"balanced": each item counts inversely to its label's frequency in the training split (King and Zeng 2001)."""
    gamma: Annotated[float, Field(ge=0.0)] = 2.0
    """Focal loss: how strongly items that are already correct are down-weighted."""
    alpha: Annotated[float, Field(ge=0.0)] = 0.0
    """Dice loss: how strongly items that are already correct are down-weighted; 0 gives the plain dice coefficient.
    Values near 1 stop learning: at 1, with two labels the loss is the same whichever is correct."""
    smoothing: Annotated[float, Field(gt=0.0)] = 1.0
    """Dice loss: added to numerator and denominator."""
