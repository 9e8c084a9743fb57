from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.text.files import open_text
from domainlm.text.sentences import split_sentences


def _sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


# A bar stands where a sentence ends; the blank at its place is put back.
@pytest.mark.parametrize(
    "marked",
    [
        "The hull was painted.|The mast was not.",
        "Was it late?|Yes!|Nobody knew why.",
        # other scripts
        "\u0921\u0942\u092c \u0917\u092f\u093e\u0964|\u0915\u094d\u092f\u094b\u0902?|\u0928\u0939\u0940\u0902\u0964",
        "\u0623\u064a\u0646 \u0627\u0644\u0633\u0641\u064a\u0646\u0629\u061f|\u063a\u0631\u0642\u062a.",
        "\u062c\u06c1\u0627\u0632 \u0688\u0648\u0628 \u06af\u06cc\u0627\u06d4|\u06a9\u06cc\u0648\u06ba\u061f",
        # abbreviations
        "As Fig. 2 shows, it floats.|See Figs. 3 and 4.",
        "Some vessels, e.g. Brigs, i.e. Ships with two masts, sink.|Others, cf. Smith, do not.",
        "Smith et al. 2003 agree with Jones et al. (2004).|So do Brown et al.|The list goes on.",
        "Oak vs. Teak was debated.|Dr. Brown and Mrs. A. B. Green voted.",
        "Take No. 5 of vol. 3, pp. 7-9.|He said no.|Nobody moved.",
        "He said no. 5 votes were cast, he claimed.",  # "no." before a number
        "Acme Inc. bought it from Doe & Co. Ltd. for a pound.",
        "It was sold to Acme Inc.|The price is unknown.",
        "We met at 5 p.m. Sunday in the U.S. Capitol.|They left at 6 p.m.|The rest did not.",
        "They stayed in the U.S.|However, it rained.",
        "On Jan. 5 the court (cf. Sec. 12) ruled in Smith v. Jones.|The parties left.",
        "Rope, tar, etc. were stored.|Nails, etc.|The list was long.",
        # initials, and letters that are none
        "E. coli and S. cerevisiae are written so.|J. R. R. Tolkien wrote.|J. Smith read.",
        "He is in group B.|Teams of group A.|Smith won.",
        "It was kept at 4 degrees C.|Ice formed in 4.2 L.|Water was added.",
        "See Appendix A.|Tables follow.",
        # numbers
        "It weighs 3.5 t and costs 1,200.50 pounds.|In 1990.|25 ships sailed.",
        "The share was 0. 05 in the scan.",
        "1. Heat the oven.|2. Add flour.|2.1. Stir.|A. Serve.",
        # quotes, brackets, references
        'He said "Stop."|Then he left.|"Why?" he asked.|"Because!"|She was right.',
        "\u201cGo.\u201d|\u201cNo.\u201d|He stayed.|(See below.)|Next.",
        "It was shown before [3].|Growth rose.12,13|The next fell. [4, 5-7]|The last [8] did not.[9]|It rose.",
        "It floats (Fig. 2).|The mast (group B).|Sails do not.",
        # ellipses and other marks
        "He waited... and waited...|Then he left\u2026|Nobody knew.",
        "1, 2, ... 10 steps.|Really?!|Yes.",
        # sentences that start otherwise
        "Brand names vary.|eBay sold it.|iPhones did not.|pH 7 was measured.",
        "He sat. then he rose.",  # a small letter: not split
        "It broke.|\u2013 A dash starts this.|$5 was paid.|\u00c9mile came.",
        # none
        "No mark at all",
        "Ends in an abbreviation etc.",
    ],
)
def test_sentences_end_where_they_should(marked: str) -> None:
    assert _sentences(marked.replace("|", " ")) == marked.split("|")


def test_blanks_of_all_kinds_part_sentences() -> None:
    assert _sentences("  One.  \u00a0Two.\n\tThree.  ") == ["One.", "Two.", "Three."]


def test_east_asian_marks_need_no_blank() -> None:
    text = "\u5317\u4eac\u5f88\u5927\u3002\u4e0a\u6d77\u4e5f\u5927\uff01 Yes."
    assert _sentences(text) == ["\u5317\u4eac\u5f88\u5927\u3002", "\u4e0a\u6d77\u4e5f\u5927\uff01", "Yes."]


@pytest.mark.parametrize("text", ["", " ", "\n\t \u00a0"])
def test_blank_text_has_no_sentence(text: str) -> None:
    assert split_sentences(text) == []


_WORDS = ["The", "ship", "Fig.", "e.g.", "No.", "5", "J.", "coli", "3.5", "U.S.", "0", "al.", "A", "1.", "mRNA", "12"]
_MARKS = [".", "?", "!", "...", "\u2026", '"', ")", "(", "[3]", "]", "-", "\u3002", "\u201d"]
_BLANKS = [" ", "  ", "\n", "\u00a0", "\x1c", "\u2028"]
_PIECES = st.sampled_from([*_WORDS, *_MARKS, *_BLANKS])


@given(st.lists(_PIECES | st.text(max_size=5)).map("".join))
def test_sentences_cover_every_character_but_the_blanks_between(text: str) -> None:
    spans = split_sentences(text)
    last = 0
    for start, end in spans:
        assert start < end
        assert not text[last:start].strip()
        assert text[start:end] == text[start:end].strip()
        last = end
    assert not text[last:].strip()


@pytest.mark.parametrize("unit", [".", ")", ". ", "a. ", ".)", "[1", ".[1,", "\u3002", " ", "x"])
def test_time_grows_with_the_length_only(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    start = time.perf_counter()
    split_sentences(text)
    assert time.perf_counter() - start < 30.0  # quadratic time would be minutes


@pytest.mark.real
def test_real_text_is_split_at_megabytes_a_second(data_dir: Path) -> None:
    paragraphs = list(islice(open_text(data_dir / "corpora/general/general-english.txt.gz"), 10_000))
    start = time.perf_counter()
    num_sentences = sum(len(split_sentences(paragraph)) for paragraph in paragraphs)
    seconds = time.perf_counter() - start
    num_megabytes = sum(map(len, paragraphs)) / 1e6
    assert num_megabytes / seconds > 2.0
    assert 90 < num_megabytes * 1e6 / num_sentences < 140  # English prose: some 20 words a sentence
