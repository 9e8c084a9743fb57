"""The kernels that are reported are those the encoder calls."""

from __future__ import annotations

import pytest

from domainlm.parallel.device import choose_device
from domainlm.parallel.kernels import kernels_in_use, product_speed


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", "float32"), ("bf16", "bfloat16")])
@pytest.mark.parametrize("training", [True, False])
def test_products_are_computed_in_the_precision_asked_for(precision: str, dtype: str, training: bool) -> None:
    kernels = kernels_in_use(choose_device("cpu", precision), training=training)  # type: ignore[arg-type]

    assert {kernel.split()[1] for kernel in kernels} == {dtype}
    assert "addmm" in {kernel.split()[0] for kernel in kernels}


def test_only_training_has_a_backward_pass() -> None:
    device = choose_device("cpu", "fp32")

    assert "mm float32" in kernels_in_use(device, training=True)
    assert "mm float32" not in kernels_in_use(device, training=False)


def test_speed_is_plausible() -> None:
    assert 1e8 < product_speed(choose_device("cpu", "fp32")) < 1e14
