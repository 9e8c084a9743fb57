"""A passage as a full-text article in JATS, with the parts that a reader has to leave out."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from domainlm_biomegatron.sample.compose import Passage
from domainlm_biomegatron.sample.files import NOTICE
from domainlm_biomegatron.sample.pubmed_xml import pmid_of

_SECTIONS = ("Introduction", "Methods", "Results", "Discussion")
_ARTICLE = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) Journal Archiving and Interchange DTD v1.2 20190208//EN" \
"JATS-archivearticle1.dtd">
<!-- {notice} -->
<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article" xml:lang="en">
<front><journal-meta><journal-id journal-id-type="nlm-ta">J Synth Samples</journal-id>\
<journal-title-group><journal-title>Journal of Synthetic Samples</journal-title></journal-title-group></journal-meta>
<article-meta><article-id pub-id-type="pmid">{pmid}</article-id><article-id pub-id-type="pmc">{pmid}</article-id>
<title-group><article-title>{title}</article-title></title-group>
<permissions><license license-type="open-access" \
xlink:href="https://creativecommons.org/publicdomain/zero/1.0/"><license-p>{notice} CC0 1.0.</license-p></license>\
</permissions>
<abstract><p>{abstract}</p></abstract></article-meta></front>
<body>
{sections}
</body>
<back><ref-list><title>References</title><ref id="B1"><label>1</label><mixed-citation>Nobody. Nothing. J Synth \
Samples. 2020;1:1.</mixed-citation></ref></ref-list></back>
</article>
"""
_TABLE = (
    '<table-wrap id="T1"><label>Table 1</label><caption><p>Numbers of no meaning.</p></caption>'
    "<table><tbody><tr><td>1</td><td>2</td></tr></tbody></table></table-wrap>"
)
_FORMULA = '<disp-formula id="E1"><tex-math>\\alpha = 1</tex-math></disp-formula>'
_CITATION = ' [<xref ref-type="bibr" rid="B1">1</xref>]'


def jats_article(number: int, passage: Passage, paragraphs: Sequence[str]) -> str:
    """Return the text of one article.

    Args:
        number: of the document; gives its ids.
        passage: its title and abstract.
        paragraphs: its body, dealt out to the usual four sections.
    """
    sections = []
    for index, title in enumerate(_SECTIONS):
        part = paragraphs[index * len(paragraphs) // 4 : (index + 1) * len(paragraphs) // 4]
        body = "\n".join(_paragraph(text, index) for text in part)
        sections.append(f"<sec><title>{title}</title>\n{body}\n</sec>")
    return _ARTICLE.format(
        notice=NOTICE,
        pmid=pmid_of(number),
        title=escape(passage.title.text),
        abstract=escape(passage.abstract),
        sections="\n".join(sections),
    )


def _paragraph(text: str, section: int) -> str:
    inner = escape(text)
    if section == 0:
        inner = f"{inner.removesuffix('.')}{_CITATION}."
    if section == 2:
        inner += _TABLE + _FORMULA
    return f"<p>{inner}</p>"


def article_name(number: int) -> str:
    """Return the file name of an article."""
    return f"PMC{pmid_of(number)}.nxml"
