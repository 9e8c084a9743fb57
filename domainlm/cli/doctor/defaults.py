"""What runs do on this machine by themselves where there is a choice, each for what was measured of it."""

from __future__ import annotations

from collections.abc import Iterator

from domainlm.cli.doctor.facts import Fact

_SECTION = "compute"
_LENGTHS = tuple(2**power for power in range(4, 14))
_SOME_DROPOUT = 0.1
_WORTH_A_NARROW_FORMAT = 1.2
"""Times the speed of fp32 products. Below that, what is cast takes what products gain."""


def default_facts() -> Iterator[Fact]:
    """Attention, number format, allocator and compilation on the device that "auto" takes."""
    import torch

    from domainlm.parallel.device import num_kernels_kept

    place = "cuda" if torch.cuda.is_available() else "cpu"
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        for name, dropout in (("with dropout", _SOME_DROPOUT), ("without dropout", 0.0)):
            value = attention_of(place, dtype, dropout)
            yield Fact(_SECTION, f"{precision} attention in training on {place}, {name}", value)
        rows = ", padded rows" if place == "cpu" else ""
        yield Fact(_SECTION, f"{precision} attention in prediction on {place}{rows}", attention_of(place, dtype, None))
    yield precision_fact()
    yield Fact(_SECTION, "allocator", allocator(place))
    if place == "cpu":
        yield Fact(_SECTION, "weights packed in prediction", packed_formats())
        yield Fact(_SECTION, "oneDNN kernels kept", num_kernels_kept())
    yield Fact(_SECTION, "torch.compile", compilation(place))


def attention_of(place: str, dtype: object, dropout: float | None) -> str:
    """What attention runs as, by the lengths of rows, as training itself decides; prediction where dropout is None."""
    import torch

    from domainlm.model.attention import MAX_SHORT_TOKENS, predicts_by_plain_products, trains_by_plain_products
    from domainlm.model.triton_kernels import has_kernels
    from domainlm.model.visible import has_flash_attention

    assert isinstance(dtype, torch.dtype)
    if has_flash_attention(torch.device(place), dtype):
        if not has_kernels(torch.device(place)):
            return "flash attention at all lengths"
        limits = ", ".join(f"{tokens:,} tokens (heads of {width})" for width, tokens in MAX_SHORT_TOKENS.items())
        return f"Triton kernels up to {limits}; flash attention otherwise"
    fused, plain = "scaled_dot_product_attention", "plain products"
    if dropout is None:
        lengths = [length for length in _LENGTHS if predicts_by_plain_products(place, dtype, length)]
    else:
        lengths = [length for length in _LENGTHS if trains_by_plain_products(place, dtype, length, dropout)]
    if len(lengths) in (0, len(_LENGTHS)):
        return f"{plain if lengths else fused} at all lengths"
    return f"{plain} up to {lengths[-1]:,} tokens, {fused} above"


def packed_formats() -> str:
    """The number formats in which a CPU's products have their weights laid out beforehand."""
    import torch

    from domainlm.model.packed import packs

    formats = {"fp32": torch.float32, "bf16": torch.bfloat16}
    return ", ".join(name for name, dtype in formats.items() if packs(torch.device("cpu"), dtype)) or "no"


def precision_fact() -> Fact:
    """The number format to ask for, by the speed of products here and now."""
    from domainlm.errors import MachineError
    from domainlm.parallel.device import choose_device
    from domainlm.parallel.kernels import product_speed

    name = "runtime.precision for speed"
    try:
        times = product_speed(choose_device("auto", "bf16")) / product_speed(choose_device("auto", "fp32"))
    except MachineError as error:
        return Fact(_SECTION, name, f'"fp32": {error.problem}')
    chosen = "bf16" if times >= _WORTH_A_NARROW_FORMAT else "fp32"
    return Fact(_SECTION, name, f'"{chosen}": bf16 products are {times:.1f} times as fast as fp32 ones')


def compilation(place: str) -> str:
    """What `runtime.compile = "auto"` comes to."""
    from domainlm.parallel.compiling import compile_problem

    if place == "cpu":
        return "not used: plain layers are as fast on CPUs"
    problem = compile_problem(place)
    return "for pretraining that takes minutes" if problem is None else f"not used, it does not work here: {problem}"


def allocator(place: str) -> str:
    """How memory of the CPU is kept in training."""
    from domainlm.parallel.device import chosen_allocator, is_allocator_set

    chosen = chosen_allocator()
    if chosen:
        return f"as {' '.join(chosen)} says"
    if place == "cpu" and is_allocator_set():
        return "glibc's, told to keep what is freed for the next step; none is preloaded"
    return "the system's; none is preloaded"
