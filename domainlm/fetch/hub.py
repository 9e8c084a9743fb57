"""Model folders from the Hugging Face hub, through its own client: with its cache, its offline mode, its login."""

from __future__ import annotations

from pathlib import Path

from domainlm.errors import FetchError, MachineError

_PATTERNS = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"),
    *("added_tokens.json", "special_tokens_map.json"),
    *("model.safetensors", "model.safetensors.index.json", "model-*.safetensors"),
)
_PICKLED_PATTERNS = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*.bin")


def hub_folder(name: str, revision: str | None) -> Path:
    """The folder in the hub's cache that holds a model; fetches what is not there.

    Args:
        name: as "organisation/model".
        revision: commit, tag or branch; None for the main branch.

    Raises:
        MachineError: package huggingface_hub is not installed.
        FetchError: there is no such model, or it cannot be reached and is not in the cache.
    """
    try:
        import huggingface_hub
    except ImportError:
        raise MachineError(
            "package huggingface_hub is not installed", where=f"hub: {name}", remedy='pip install "domainlm[hub]"'
        ) from None
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    def fetch(patterns: tuple[str, ...]) -> Path:
        found = huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=[*patterns])
        return Path(str(found))

    try:
        folder = fetch(_PATTERNS)
        return folder if any(folder.glob("model*.safetensors")) else fetch(_PATTERNS + _PICKLED_PATTERNS)
    except HFValidationError as error:
        raise FetchError("not a name of the hub", where="hub", given=name, allowed="ORGANISATION/MODEL") from error
    except LocalEntryNotFoundError as error:
        raise FetchError(
            "the hub cannot be reached, and its cache does not hold this model",
            where=f"hub: {name}",
            remedy="fetch it once with a connection and without HF_HUB_OFFLINE, or give start.path",
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise FetchError("cannot be fetched", where=f"hub: {name}", given=str(error).splitlines()[0]) from error
