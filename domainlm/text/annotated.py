"""From a text with mentions to examples: a sentence each, no mention parted, every mention's offsets kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from domainlm.api import Entity, ProblemLog, TokenExample
from domainlm.text.sentences import joined_spans, sentence_spans
from domainlm.text.words import split_words

DISCONTINUOUS = "discontinuous mention: read as all from its first to its last character"
OUTSIDE_TEXT = "mention outside of the text: left out"
BLANK = "mention of white space: left out"
TRIMMED = "mention with blanks at its ends (which are cut)"


def sentence_examples(name: str, text: str, entities: Iterable[Entity]) -> Iterator[TokenExample]:
    """Give out the sentences of one text; `id` is "NAME:n" for the nth sentence, from 0.

    A sentence ends with its line. A mention that reaches over the end of a sentence joins the two.

    Args:
        name: of the text.
        text: any text.
        entities: sound mentions, as `sound_entity` gives them.
    """
    found = sorted(set(entities))
    spans = [(each.start, each.end) for each in found]
    for index, (start, end) in enumerate(joined_spans(sentence_spans(text), spans)):
        part = text[start:end]
        inside = tuple(
            Entity(each.start - start, each.end - start, each.type) for each in found if start <= each.start < end
        )
        words = split_words(part)
        if words:
            yield TokenExample(f"{name}:{index}", part, words, inside)


def sound_entity(
    text: str,
    fragments: Sequence[tuple[int, int]],
    entity_type: str,
    *,
    problems: ProblemLog,
    path: Path | str,
    line: int | None = None,
) -> Entity | None:
    """Turn a mention of one or more fragments into an entity; None, and a count, where it does not lie on the text.

    A discontinuous mention becomes the span from its first to its last character, and is counted.

    Args:
        text: what the offsets count in.
        fragments: first and past-the-end character of each, at least one.
        entity_type: its type.
        problems: told of what is left out or mended.
        path: the file, for `problems`.
        line: the line of the mention.
    """
    start, end = min(first for first, _ in fragments), max(last for _, last in fragments)
    shown = f"{entity_type} {';'.join(f'{first}-{last}' for first, last in fragments)}"
    if not all(0 <= first < last <= len(text) for first, last in fragments):
        problems.add(OUTSIDE_TEXT, f"{shown} in a text of {len(text)} characters", path=path, line=line)
        return None
    mention = text[start:end]
    if not mention.strip():
        problems.add(BLANK, shown, path=path, line=line)
        return None
    if len(fragments) > 1:
        problems.add(DISCONTINUOUS, f"{shown} {mention!r}", path=path, line=line)
    if mention != mention.strip():
        problems.add(TRIMMED, f"{shown} {mention!r}", path=path, line=line)
        start += len(mention) - len(mention.lstrip())
        end = start + len(mention.strip())
    if not split_words(text[start:end]):
        problems.add(BLANK, shown, path=path, line=line)
        return None
    return Entity(start, end, entity_type)
