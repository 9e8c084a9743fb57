"""Tables as TOML."""

from __future__ import annotations

import math
import tomllib
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domainlm.recipe.toml_text import dump_toml

_SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
_KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=5))
def test_what_is_written_reads_back(table: dict[str, Any]) -> None:
    assert tomllib.loads(dump_toml(table)) == table


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    table = {"rate": np.float64(1e-3), "steps": np.int64(3), "low": np.float32(0.5), "seeds": np.arange(2)}
    assert tomllib.loads(dump_toml(table)) == {"rate": 1e-3, "steps": 3, "low": 0.5, "seeds": [0, 1]}


def test_layout() -> None:
    recipe = {
        "name": "ships",
        "nothing": None,
        "seeds": [0, 1],
        "pretraining": {"num_steps": 5, "optimizer": {"max_gradient_norm": math.inf, "beta": None}},
        "tasks": [{"spec": "a/b", "files": {"train": ["x"]}}, {"spec": "c/d"}],
        "study": {"axes": {"pretraining.num_steps": [0, 5]}},
    }
    assert dump_toml(recipe) == (
        'name = "ships"\nseeds = [0, 1]\n\n[pretraining]\nnum_steps = 5\n\n[pretraining.optimizer]\n'
        'max_gradient_norm = inf\n\n[[tasks]]\nspec = "a/b"\n\n[tasks.files]\ntrain = ["x"]\n\n[[tasks]]\n'
        'spec = "c/d"\n\n[study]\n\n[study.axes]\n"pretraining.num_steps" = [0, 5]\n'
    )
