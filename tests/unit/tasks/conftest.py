"""Small stand-ins that tests of tasks share."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from domainlm.api import Split, TaskSpec, TokenExample
from domainlm.builtin.formats.conll import read_conll

SHIPS = ("Vega", "Orion", "Lyra", "Argo", "Hydra", "Gemini", "Corvus", "Aquila")
PLACES = ("Oslo", "Bergen", "Porto", "Malmo", "Cadiz", "Dover", "Genoa", "Kiel")
SENTENCES = (
    "the SHIP left PLACE on day N .",
    "on day N the old SHIP came to PLACE .",
    "PLACE is N miles from PLACE .",
    "no ship left today .",
)
ENTRIES = sorted({word.lower() for sentence in SENTENCES for word in sentence.split()} - {"ship", "place", "n"})


class LetterEncoder:
    """A vocabulary whose sub-tokens are letters, by their code points."""

    pad_id, cls_id, sep_id = 0, 1, 2

    def encode_words(self, words: Sequence[str]) -> list[list[int]]:
        return [[ord(letter) for letter in word] for word in words]


@pytest.fixture(scope="session")
def letter_encoder() -> LetterEncoder:
    return LetterEncoder()


@pytest.fixture(scope="session")
def make_example() -> Callable[..., TokenExample]:
    """Makes an example of words that are separated by single blanks."""

    def make(text: str, name: str = "log:1") -> TokenExample:
        words: list[tuple[int, int]] = []
        for word in text.split(" ") if text else []:
            start = words[-1][1] + 1 if words else 0
            words.append((start, start + len(word)))
        return TokenExample(name, text, tuple(words))

    return make


def _write_log(path: Path, num_sentences: int, seed: int) -> None:
    """Sentences about ships and places, with IOB2 tags."""
    choose = random.Random(seed)  # noqa: S311 - test data
    lines: list[str] = []
    for _ in range(num_sentences):
        for word in choose.choice(SENTENCES).split():
            if word == "SHIP":
                lines += [f"SS\tB-ship\n{choose.choice(SHIPS)}\tI-ship"]
            elif word == "PLACE":
                lines += [f"{choose.choice(PLACES)}\tB-place"]
            else:
                lines += [f"{choose.randint(1, 99) if word == 'N' else word}\tO"]
        lines += [""]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def log_files(tmp_path_factory: pytest.TempPathFactory) -> dict[Split, tuple[Path, ...]]:
    """The splits of a small task that a small model learns in seconds."""
    folder = tmp_path_factory.mktemp("log")
    files: dict[Split, tuple[Path, ...]] = {}
    sizes: dict[Split, int] = {"train": 150, "dev": 20, "test": 20}
    for seed, (split, size) in enumerate(sizes.items()):
        files[split] = (folder / f"{split}.tsv",)
        _write_log(files[split][0], size, seed)
    return files


@pytest.fixture(scope="session")
def ship_log() -> TaskSpec:
    return TaskSpec(name="test/ship-log", description="ships and places", kind="token", read=read_conll)


@pytest.fixture(scope="session")
def start_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model folder with fresh weights."""
    from domainlm.model.config import ModelConfig
    from domainlm.train.assemble import create_start
    from domainlm.vocab.vocabulary import Vocabulary

    folder = tmp_path_factory.mktemp("start")
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys([*entries, *ENTRIES])) + "\n")
    Vocabulary.load(folder / "vocab.txt").save(folder)
    config = ModelConfig(
        layers=2,
        hidden=32,
        heads=2,
        feed_forward=64,
        max_positions=48,
        architecture="megatron",
        dropout=0.1,
        vocabulary_size=len(set(entries) | set(ENTRIES)),
        padded_vocabulary_size=256,
    )
    create_start(config, sentence_order=False, seed=0, vocabulary=folder, folder=folder / "model")
    return folder / "model"
