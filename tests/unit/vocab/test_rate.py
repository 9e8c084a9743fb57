from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from domainlm.api import Entity, ProblemLog, TokenExample, VocabularySettings
from domainlm.builtin.formats.conll import read_conll
from domainlm.errors import DataError
from domainlm.text.files import open_text
from domainlm.vocab.learn import learn_wordpiece
from domainlm.vocab.rate import break_up_rate
from domainlm.vocab.sample import EvenSample
from domainlm.vocab.unigram import learn_unigram
from domainlm.vocab.vocabulary import Vocabulary

_ENTRIES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "sea",
    "##side",
    "cut",
    "##ter",
    "##s",
    "A",
    "##r",
    "##go",
]


@pytest.fixture
def vocabulary(tmp_path: Path) -> Vocabulary:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(_ENTRIES))
    return Vocabulary.load(path, cased=True)


def _example(text: str, *entities: Entity) -> TokenExample:
    words, start = [], 0
    for word in text.split(" "):
        words.append((start, start + len(word)))
        start += len(word) + 1
    return TokenExample("1", text, tuple(words), entities)


_ARGO = _example("the Argo cutters sea seaside", Entity(4, 16, "SHIP"), Entity(17, 28, "PLACE"))


def test_sub_tokens_and_words_of_entities_are_counted(vocabulary: Vocabulary) -> None:
    rate = break_up_rate(vocabulary, [_ARGO])  # A ##r ##go, cut ##ter ##s, sea, sea ##side
    assert (rate.num_entities, rate.num_words, rate.num_sub_tokens) == (2, 4, 9)
    assert rate.rate == 2.25


@pytest.mark.parametrize(
    ("types", "expected"), [(("SHIP",), (1, 2, 6)), (("PLACE",), (1, 2, 3)), (("PLACE", "SHIP"), (2, 4, 9))]
)
def test_types_may_be_chosen(vocabulary: Vocabulary, types: tuple[str, ...], expected: tuple[int, int, int]) -> None:
    rate = break_up_rate(vocabulary, [_ARGO], types)
    assert (rate.num_entities, rate.num_words, rate.num_sub_tokens) == expected


def test_repeated_mentions_and_unknown_words_count(vocabulary: Vocabulary) -> None:
    unknown = _example("oars", Entity(0, 4, "PART"))
    rate = break_up_rate(vocabulary, iter([unknown, unknown, _example("nothing here")]))
    assert (rate.num_entities, rate.num_words, rate.num_sub_tokens) == (2, 2, 2)


def test_a_word_that_an_entity_ends_in_counts_whole(vocabulary: Vocabulary) -> None:
    rate = break_up_rate(vocabulary, [_example("seaside cutters", Entity(3, 10, "X"))])
    assert (rate.num_words, rate.num_sub_tokens) == (2, 5)


def test_overlapping_entities_count_their_words_each(vocabulary: Vocabulary) -> None:
    rate = break_up_rate(vocabulary, [_example("seaside cutters", Entity(0, 15, "X"), Entity(8, 15, "Y"))])
    assert (rate.num_entities, rate.num_words, rate.num_sub_tokens) == (2, 3, 8)


def test_nothing_to_measure_on_is_refused(vocabulary: Vocabulary) -> None:
    with pytest.raises(DataError, match="no entity") as caught:
        break_up_rate(vocabulary, [_ARGO], ("SHIPS",))
    assert caught.value.allowed == ["PLACE", "SHIP"]
    with pytest.raises(DataError, match="no entity"):
        break_up_rate(vocabulary, [])


@pytest.mark.real
@pytest.mark.parametrize(
    ("folder", "num_entities", "published"),
    # Shin et al. 2020, table 3, row "BERT-cased"; entities as the data sets' own description counts them.
    [("BC5CDR-chem", 5203, 3.012), ("BC5CDR-disease", 4182, 2.42)],
)
def test_the_published_rates_are_reproduced(data_dir: Path, folder: str, num_entities: int, published: float) -> None:
    vocabulary = Vocabulary.load(data_dir / "vocab/bert-base-cased-vocab.txt")
    rate = break_up_rate(vocabulary, read_conll(data_dir / "ner/iob" / folder / "train.tsv.gz", ProblemLog()))
    assert rate.num_entities == num_entities
    assert rate.rate == pytest.approx(published, rel=0.01)


@pytest.mark.real
@pytest.mark.timeout(300)
def test_a_vocabulary_of_the_domain_breaks_its_words_less(data_dir: Path) -> None:
    """A small version of benchmarks/results/vocabulary-rates-2026-11-23.md: 3 of the 51 million characters.

    There, the text is learned from whole and 30,000 entries give 1.504 and 1.199; the published rates of a
    vocabulary of the domain are 1.753 and 1.272, those of the general one 3.012 and 2.42.
    """
    path = data_dir / "corpora/biomed/pubmed-abstracts.txt.gz"
    sentences = EvenSample(lambda: (line for line in open_text(path) if line), 3_000_000)
    rates = {}
    for name, learn in (("wordpiece", learn_wordpiece), ("unigram", learn_unigram)):
        text = learn(iter(sentences), VocabularySettings(size=10_000, cased=True))
        vocabulary = Vocabulary(Tokenizer.from_str(text), where=name)
        for folder in ("BC5CDR-chem", "BC5CDR-disease"):
            examples = read_conll(data_dir / "ner/iob" / folder / "train.tsv.gz", ProblemLog())
            rates[name, folder] = break_up_rate(vocabulary, examples).rate
    published_general = {"BC5CDR-chem": 3.012, "BC5CDR-disease": 2.42}
    shares = {key: rate / published_general[key[1]] for key, rate in rates.items()}
    assert all(share < 0.75 for share in shares.values()), shares
