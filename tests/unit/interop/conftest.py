"""Small models of package transformers, saved to folders with a vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from domainlm.model.encoder import EncoderInputs
from domainlm.vocab.vocabulary import Vocabulary

ENTRIES = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "the", "ship", "harbour", "pilot", "left", "sailed"),
    *("a", "b", "c", "d", "##s", "##ed", "##er", "##ing", "sea", "##side", "tide", "light", "##house", "oslo", "in"),
]
"""28 entries: an odd size, no multiple of 64."""
SHAPE = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 32,
}


def transformers_class(kind: str, head: str) -> tuple[Any, Any]:
    """The configuration and model class of package transformers; `head` as "ForMaskedLM"."""
    import transformers

    prefix = {"bert": "Bert", "megatron": "MegatronBert"}[kind]
    return getattr(transformers, f"{prefix}Config"), getattr(transformers, f"{prefix}{head}")


@pytest.fixture
def vocabulary_file(tmp_path: Path) -> Path:
    """A vocab.txt."""
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{entry}\n" for entry in ENTRIES), encoding="utf-8")
    return path


@pytest.fixture
def make_source(tmp_path: Path, vocabulary_file: Path) -> Callable[..., tuple[Path, Any]]:
    """Saves a model of transformers with random weights, every norm and bias among them, and gives folder and model."""
    pytest.importorskip("transformers", reason="parity is checked against package transformers")

    def make(kind: str, head: str = "ForMaskedLM", *, rows: int = len(ENTRIES), **settings: object) -> tuple[Path, Any]:
        config_class, model_class = transformers_class(kind, head)
        torch.manual_seed(5)
        model = model_class(config_class(vocab_size=rows, **(SHAPE | settings))).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.normal_(1.0 if "LayerNorm.weight" in name or "ln.weight" in name else 0.0, 0.3)
        folder = tmp_path / f"{kind}{head}"
        model.save_pretrained(folder)
        Vocabulary.load(vocabulary_file).save(folder)
        return folder, model

    return make


@dataclass(frozen=True)
class Rows:
    """The same rows as this program takes them, and as transformers does."""

    ours: EncoderInputs
    theirs: dict[str, torch.Tensor]

    def real(self, states: torch.Tensor) -> torch.Tensor:
        """What belongs to real sub-tokens, of [batch, tokens, ...]."""
        return states[self.theirs["attention_mask"].bool()]


@pytest.fixture
def rows() -> Rows:
    """Rows of several lengths, with both token types."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([13, 7, 1, 20])
    tokens = torch.randint(5, len(ENTRIES), (4, 20), generator=generator)
    mask = torch.arange(20) < lengths[:, None]
    tokens[~mask] = 0
    token_types = (torch.arange(20) >= lengths[:, None] // 2).long()
    theirs = {"input_ids": tokens, "token_type_ids": token_types, "attention_mask": mask.long()}
    return Rows(EncoderInputs(tokens, token_types, lengths), theirs)
