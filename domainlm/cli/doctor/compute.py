"""What torch computes with here: devices, threads, kernels, number formats, and whether fairscale works beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from domainlm.cli.doctor.defaults import default_facts
from domainlm.cli.doctor.facts import Fact

if TYPE_CHECKING:
    from domainlm.plan.work import Precision

_SECTION = "compute"
_GIB = 2**30


def compute_facts() -> Iterator[Fact]:
    """All about torch; one fact where it cannot be imported."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library that torch loads is missing
        yield Fact(_SECTION, "torch", f"cannot be imported: {error}", "pip install --force-reinstall torch")
        return
    yield Fact(_SECTION, "torch", f"{torch.__version__}, {_build()}")
    yield from _gpu_facts()
    yield Fact(_SECTION, "threads", str(torch.get_num_threads()))
    yield Fact(_SECTION, "vector unit", torch.backends.cpu.get_cpu_capability())
    for precision in ("fp32", "bf16"):
        yield from _precision_facts(precision)
    yield from default_facts()
    yield from pairing_facts()


def _build() -> str:
    import torch

    return f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"


def _gpu_facts() -> Iterator[Fact]:
    import torch

    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        major, minor = torch.cuda.get_device_capability(index)
        name = torch.cuda.get_device_name(index)
        memory = f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
        yield Fact(_SECTION, f"cuda:{index}", f"{name}, {memory}, compute capability {major}.{minor}")
    if not torch.cuda.device_count():
        yield Fact(_SECTION, "CUDA devices", "none: runs use the CPU")


def _precision_facts(precision: Precision) -> Iterator[Fact]:
    """The kernels of one precision on the device that "auto" takes, and their speed."""
    from domainlm.errors import MachineError
    from domainlm.parallel.device import choose_device
    from domainlm.parallel.kernels import kernels_in_use, product_speed

    try:
        device = choose_device("auto", precision)
    except MachineError as error:
        yield Fact(_SECTION, precision, error.problem)
        return
    place = device.torch_device.type
    for name, training in (("training", True), ("prediction", False)):
        yield Fact(_SECTION, f"{precision} {name} on {place}", ", ".join(kernels_in_use(device, training=training)))
    yield Fact(_SECTION, f"{precision} matrix products on {place}", f"{product_speed(device) / 1e9:,.0f} GFLOP/s")


def pairing_facts() -> Iterator[Fact]:
    """Whether the parts of fairscale that are used can be imported beside this torch."""
    from domainlm.parallel.pairing import PARTS, check_pairing

    pairing = check_pairing()
    if pairing.fairscale is None:
        yield Fact(_SECTION, "fairscale", "missing: no parallel training", "pip install fairscale")
        return
    beside = f"{pairing.fairscale} beside torch {pairing.torch}"
    if not pairing.broken:
        yield Fact(_SECTION, "fairscale", f"{beside}: works ({', '.join(PARTS)})")
    for part, cause in pairing.broken.items():
        remedy = "install the torch that constraints.txt names; that pair is tested"
        yield Fact(_SECTION, "fairscale", f"{beside}: no {part}: {cause}", remedy)
