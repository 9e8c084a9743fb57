"""Entities that were found, as a PubTator file.

The first line of a text is the title, the rest the abstract, its further line breaks as blanks; so every offset of the
text is one of title + " " + abstract. A text of one line is a title. Ids that are no whole numbers stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from domainlm.api import Prediction

_BREAK = re.compile(r"[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def write_pubtator(predictions: Iterable[Prediction]) -> Iterator[str]:
    """Stream a block for each text: `ID|t|title`, `ID|a|abstract`, mentions with tabs between, an empty line."""
    for prediction in predictions:
        text = prediction["text"].encode(errors="replace").decode()
        title, _, abstract = text.partition("\n")
        name = _BREAK.sub(" ", str(prediction["id"])).replace("|", "/")
        lines = [f"{name}|t|{_BREAK.sub(' ', title)}", f"{name}|a|{_BREAK.sub(' ', abstract)}"]
        for entity in prediction["entities"]:
            start, end = entity["start"], entity["end"]
            mention = _BREAK.sub(" ", text[start:end])
            lines.append(f"{name}\t{start}\t{end}\t{mention}\t{_BREAK.sub(' ', entity['type'])}")
        yield "".join(f"{line}\n" for line in [*lines, ""])
