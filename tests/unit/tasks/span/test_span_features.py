from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.api import Answer, ProblemLog, SpanExample, VocabularySettings
from domainlm.recipe.span_settings import SpanSettings
from domainlm.tasks.span.alignment import TokenSpan, encode_texts
from domainlm.tasks.span.batches import collate
from domainlm.tasks.span.features import (
    CUT_QUESTION,
    NOT_TRAINED,
    SNAPPED,
    TOO_LONG,
    Row,
    answer_spans,
    build_features,
    window_starts,
)
from domainlm.vocab.bpe import learn_bpe
from domainlm.vocab.unigram import learn_unigram
from domainlm.vocab.vocabulary import Vocabulary

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
ENTRIES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *LETTERS,
    *(f"##{each}" for each in LETTERS),
    *".,-()%",
    "ss",
    "##ss",
]

# Letters with and without case, letters that grow or shrink when lower-cased, marks that combine (also two of them,
# also in another order than the normal one), wide characters, an emoji, ideographs, ligatures and capital sharp s.
VISIBLE = st.text(
    alphabet="abXYzÅéßẞİıĐﬁΣςЖя漢字ぁ한각👍x\u0301y\u0327\u0301z\u0301\u0327a\u20dd12.,-%", min_size=1, max_size=6
)
# Not at its beginning: a mark there would combine with nothing, or with what is before the answer.
WORDS = st.tuples(st.sampled_from("abXÅßİ漢👍1"), VISIBLE).map("".join)
BLANKS = st.sampled_from([" ", "  ", "\n", "\t", "\u00a0", " \u3000 "])


LEARNERS = {"bpe": learn_bpe, "unigram": learn_unigram}


@pytest.fixture(scope="module", params=["cased", "uncased", *LEARNERS])
def vocabulary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    folder = tmp_path_factory.mktemp("vocabulary")
    if request.param in LEARNERS:
        path = folder / "tokenizer.json"
        lines = [f"{each}{other} {other}{each}{each}" for each in LETTERS for other in LETTERS]
        wanted = VocabularySettings(size=320, cased=True)
        path.write_text(LEARNERS[request.param](lines, wanted), encoding="utf-8")
        return Vocabulary.load(path)
    path = folder / "vocab.txt"
    path.write_text("\n".join(ENTRIES) + "\n")
    return Vocabulary.load(path, cased=request.param == "cased")


def _example(context: str, *answers: tuple[int, int], question: str = "a b") -> SpanExample:
    return SpanExample("x", question, context, tuple(Answer(start, context[start:end]) for start, end in answers))


@settings(max_examples=150)
@given(data=st.data())
def test_an_answer_of_whole_words_comes_back_character_by_character(
    vocabulary: Vocabulary, data: st.DataObject
) -> None:
    words = data.draw(st.lists(WORDS, min_size=1, max_size=12))
    blanks = data.draw(st.lists(BLANKS, min_size=len(words) + 1, max_size=len(words) + 1))
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    context, places = blanks[0], []
    for word, blank in zip(words, blanks[1:], strict=True):
        places.append((len(context), len(context) + len(word)))
        context += word + blank
    start, end = places[first][0], places[last][1]
    problems = ProblemLog()
    max_tokens = data.draw(st.integers(16, 64))
    features = build_features(
        [_example(context, (start, end))], vocabulary, SpanSettings(num_stride_tokens=8), max_tokens,
        problems=problems, trains=True,
    )  # fmt: skip
    found = [(row, span) for row in features.rows for span in row.answers]
    if not found:
        assert problems.counts == {TOO_LONG: 1}  # longer than what neighbouring windows share
        return
    assert not problems.counts
    batch = collate(features, np.arange(features.num_rows))
    for number, row in enumerate(features.rows):
        for span in row.answers:
            assert features.contexts[0].characters(span) == (start, end)
            slots = [each.nonzero().flatten().tolist() for each in (batch.starts[number], batch.ends[number])]
            assert slots == [[span.first + features.offset(row)], [span.last + features.offset(row)]]
            tokens = batch.tokens[number, slots[0][0] : slots[1][0] + 1].tolist()
            assert tokens == vocabulary.encode_batch([context[start:end]])[0]


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    """One sub-token for each letter."""
    path = tmp_path_factory.mktemp("letters") / "vocab.txt"
    path.write_text("\n".join(ENTRIES) + "\n")
    return Vocabulary.load(path, cased=False)


def _rows(
    example: SpanExample, vocabulary: Vocabulary, max_tokens: int, problems: ProblemLog, stride: int
) -> list[Row]:
    settings = SpanSettings(num_stride_tokens=stride, max_question_tokens=2)
    return list(build_features([example], vocabulary, settings, max_tokens, problems=problems, trains=True).rows)


@given(st.integers(0, 400), st.integers(1, 60), st.integers(1, 200))
def test_windows_cover_everything_and_share_half(num_tokens: int, room: int, stride: int) -> None:
    starts = window_starts(num_tokens, room, stride)
    covered = {place for start in starts for place in range(start, min(start + room, num_tokens))}
    assert covered == set(range(num_tokens))
    assert [start for start in starts if start + room >= num_tokens] == starts[-1:]  # none that adds nothing
    for size in range(1, room // 2 + 1):  # every run of half a window is in some window
        for first in range(num_tokens - size + 1):
            assert any(start <= first and first + size <= start + room for start in starts)


def test_an_answer_that_a_window_cuts_is_none_there(letters: Vocabulary) -> None:
    problems = ProblemLog()
    context = "abcdefghijklmnopqrst"
    # 16 slots: [CLS] a b [SEP], 11 letters, [SEP]; windows begin 5 letters apart. The answer is letters 9 to 12.
    rows = _rows(_example(context, (9, 13)), letters, 16, problems, stride=100)
    assert rows == [
        Row(0, 0, 11, ()),
        Row(0, 5, 16, (TokenSpan(9, 12),)),
        Row(0, 10, 20, ()),
    ]
    assert not problems.counts


def test_rows_are_laid_out_as_bert_has_them(letters: Vocabulary) -> None:
    features = build_features(
        [_example("cab, ba", (0, 3), (5, 7))], letters, SpanSettings(), 32, problems=ProblemLog(), trains=True
    )
    batch = collate(features, np.array([0]))
    names = letters.tokens(batch.tokens[0].tolist())
    assert names[:12] == ["[CLS]", "a", "b", "[SEP]", "c", "##a", "##b", ",", "b", "##a", "[SEP]", "[PAD]"]
    assert batch.token_types[0, :12].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0]
    assert batch.candidates[0].nonzero().flatten().tolist() == [0, 4, 5, 6, 7, 8, 9]
    assert batch.starts[0].nonzero().flatten().tolist() == [4, 8]  # both places are right
    assert batch.ends[0].nonzero().flatten().tolist() == [6, 9]
    assert batch.num_tokens == 11


def test_impossible_questions_point_at_the_first_slot(letters: Vocabulary) -> None:
    example = SpanExample("x", "a", "abc", is_impossible=True)
    features = build_features([example], letters, SpanSettings(), 16, problems=ProblemLog(), trains=True)
    batch = collate(features, np.array([0]))
    assert batch.starts[0].nonzero().flatten().tolist() == batch.ends[0].nonzero().flatten().tolist() == [0]


def test_what_cannot_be_trained_on_is_counted_and_left_out(letters: Vocabulary) -> None:
    problems = ProblemLog()
    elsewhere = SpanExample("x", "a", "abc", accepted=("xyz",))
    assert not _rows(elsewhere, letters, 16, problems, stride=8)
    assert not _rows(_example("a" * 40, (2, 30)), letters, 16, problems, stride=8)
    assert not _rows(_example("", question="abcde"), letters, 16, problems, stride=8)
    assert problems.counts == {NOT_TRAINED: 2, TOO_LONG: 1, CUT_QUESTION: 1}


def test_what_is_asked_without_training_needs_no_answer(letters: Vocabulary) -> None:
    examples = [SpanExample("x", "a", "abc", accepted=("xyz",)), SpanExample("y", "a", "", accepted=("xyz",))]
    features = build_features(examples, letters, SpanSettings(), 16, problems=ProblemLog(), trains=False)
    assert list(features.rows) == [Row(0, 0, 3)]


def test_borders_inside_a_sub_token_move_outward_and_are_counted(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("words") / "vocab.txt"
    path.write_text("\n".join([*ENTRIES[:5], "harbours", "in"]) + "\n")
    vocabulary = Vocabulary.load(path, cased=False)
    example = _example("in harbours", (3, 10))
    problems = ProblemLog()
    context = encode_texts([example.context], vocabulary)[example.context]
    assert answer_spans(example, context, problems) == [TokenSpan(1, 1)]
    assert context.characters(TokenSpan(1, 1)) == (3, 11)
    assert problems.counts == {SNAPPED: 1}
