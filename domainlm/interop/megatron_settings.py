"""What Megatron-LM's arguments and NeMo's model_config.yaml say of how a BERT is computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domainlm.errors import ModelError

_MUST_BE: Mapping[str, tuple[tuple[str, ...], str]] = {
    # key: (values that this program computes, why others are refused); a value that is not set is the usual one
    "apply_residual_connection_post_layernorm": (("false",), "a layer normalises before its products here"),
    "transformer_block_type": (("pre_ln",), "a layer normalises before its products here"),
    "apply_layernorm_1p": (("false",), "only usual layer normalisation is computed here"),
    "normalization": (("layernorm",), "only usual layer normalisation is computed here"),
    "squared_relu": (("false",), "only GELU is computed here"),
    "swiglu": (("false",), "only GELU is computed here"),
    "glu_activation": (("none", "null"), "only GELU is computed here"),
    "activation": (("gelu", "openai-gelu"), "only GELU is computed here"),
    "position_embedding_type": (("learned_absolute", "absolute"), "only absolute positions are computed here"),
    "untie_embeddings_and_output_weights": (("false",), "the word embedding is the decoder here"),
    "share_embeddings_and_output_weights": (("true",), "the word embedding is the decoder here"),
    "add_bias_linear": (("true",), "all products have a bias here"),
    "num_experts": (("none", "null"), "there is one feed-forward part in a layer here"),
}
_APPROXIMATIONS = ("bias_gelu_fusion", "bias_activation_fusion", "openai_gelu")


def check_settings(settings: Mapping[str, Any], where: Path) -> None:
    """Refuse a model that would be computed otherwise here.

    Raises:
        ModelError: a setting says so.
    """
    for key, (values, reason) in _MUST_BE.items():
        if key in settings and str(settings[key]).lower() not in values:
            raise ModelError(
                f"this model cannot be computed: {reason}",
                where=f"{where}: {key}",
                given=settings[key],
                allowed=" or ".join(values),
            )


def gelu_notes(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What to say of an activation that was approximated."""
    fused = [key for key in _APPROXIMATIONS if str(settings.get(key)).lower() == "true"]
    if str(settings.get("activation")).lower() == "openai-gelu":
        fused.append("openai-gelu")
    if not fused:
        return ()
    return (f"GELU is computed exactly; {fused[0]} approximated it by tanh, which differs by less than 0.0005",)


def whole_setting(settings: Mapping[str, Any], key: str) -> int:
    """A whole number; 0 where it is not said, or refers to something else."""
    text = str(settings.get(key, ""))
    return int(text) if text.isdecimal() else 0


def number_setting(settings: Mapping[str, Any], *keys: str, default: float) -> float:
    """A number, by whichever name it has; the default where it is not said, or refers to something else."""
    for key in keys:
        try:
            return float(settings[key])
        except (KeyError, TypeError, ValueError):
            continue
    return default
