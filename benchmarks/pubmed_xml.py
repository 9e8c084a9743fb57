"""PubMed XML to text, side by side: MB of uncompressed XML per second of one core.

    python benchmarks/pubmed_xml.py                                   # synthetic citations, 60 MB of XML
    python benchmarks/pubmed_xml.py --file pubmed26n1334.xml.gz       # a baseline file

Contenders, each in a process of its own, in turns:

- `lxml`: nothing but `lxml.etree.iterparse` over the citations, each freed at once, no text taken.
- `domainlm`: the reader of domainlm-biomegatron: titles, labelled sections, markup, languages, versions, deletions.
- `pubmed_parser`: `parse_medline_xml` of that library, where it is installed, without authors and references. It also
  takes journal, MeSH terms and more from every citation, and has no option not to.

A small file is repeated up to `--megabytes`, its citations numbered anew. Speed is counted in processor time, unpacking
of `.gz` included, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any

from measuring import Clock, Measured, as_dicts, machine_facts, run_apart, summary, write_results

_PACKAGES = ("domainlm", "domainlm-biomegatron", "lxml", "pubmed_parser")
_RECORD = re.compile(rb"<PubmedArticle>.*?</PubmedArticle>\s*", re.DOTALL)
_PMID = re.compile(rb"(<PMID[^>]*>)\d+")
_SYNTHETIC_DOCUMENTS = 2000
_FIRST_PMID = 90_000_000
_MARK = 20
"""MB of XML per second of a core that the reader should reach."""


def run_lxml(path: Path) -> int:
    """Parse the file and take nothing from it."""
    from lxml import etree

    num_citations = 0
    with gzip.open(path) as stream:
        for _, element in etree.iterparse(stream, tag="PubmedArticle", resolve_entities=False, load_dtd=False):
            num_citations += 1
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    return num_citations


def run_domainlm(path: Path) -> int:
    """Read the file as a corpus does."""
    from domainlm.api import ProblemLog
    from domainlm_biomegatron.readers.pubmed import read_pubmed

    return sum(1 for _ in read_pubmed(path, ProblemLog()))


def run_pubmed_parser(path: Path) -> int:
    """Read the file with the library."""
    from pubmed_parser import parse_medline_xml

    articles = parse_medline_xml(str(path), year_info_only=True, nlm_category=False, parse_downto_mesh_subterms=False)
    return sum(1 for _ in articles)


CONTENDERS: dict[str, Callable[[Path], int]] = {
    "lxml": run_lxml,
    "domainlm": run_domainlm,
    "pubmed_parser": run_pubmed_parser,
}


def enlarge(source: Path, target: Path, megabytes: float) -> None:
    """Write the citations of a file over and over, each copy with a PMID of its own, up to a size."""
    content = gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes()
    records = _RECORD.findall(content)
    if not records:
        raise SystemExit(f"no citations in {source}")
    with gzip.open(target, "wb", compresslevel=6) as stream:
        stream.write(content[: content.index(b"<PubmedArticle>")])
        for piece in _numbered(records, megabytes * 1e6):
            stream.write(piece)
        stream.write(b"</PubmedArticleSet>\n")


def _numbered(records: list[bytes], num_bytes: float) -> Iterator[bytes]:
    written = 0.0
    for number, record in enumerate(cycle(records), _FIRST_PMID):
        if written >= num_bytes:
            return
        piece = _PMID.sub(rb"\g<1>%d" % number, record, count=1)
        written += len(piece)
        yield piece


def synthetic(folder: Path) -> Path:
    """The plugin's own sample, all in one file."""
    from domainlm_biomegatron.sample.writers import write_pubmed

    files = write_pubmed(folder / "sample", 0, _SYNTHETIC_DOCUMENTS)["text"]
    contents = [gzip.decompress(path.read_bytes()) for path in files]
    whole = folder / "sample.xml"
    records = b"".join(record for content in contents for record in _RECORD.findall(content))
    whole.write_bytes(contents[0][: contents[0].index(b"<PubmedArticle>")] + records + b"</PubmedArticleSet>\n")
    return whole


def run_one(contender: str, path: Path, megabytes: float) -> None:
    """In a process of its own: read the file, print the figures."""
    clock = Clock()
    num_citations = CONTENDERS[contender](path)
    print(json.dumps({"megabytes": megabytes, **clock.facts(), "citations": num_citations}))


def report(machine: dict[str, Any], source: str, rows: list[dict[str, Any]]) -> str:
    """A table for people."""
    lines = [
        f"# PubMed XML to text, {machine['date']}",
        "",
        f"{source}: {rows[0]['megabytes']:,.0f} MB of XML in a .gz, {rows[0]['facts']['citations']:,} citations.",
        f"One core of {machine['cpu']}, load {machine['load_at_start']} at the start; Python {machine['python']},",
        f"{', '.join(f'{name} {found}' for name, found in machine['packages'].items())}.",
        f"MB of XML per second of processor time, unpacking included; the mark is {_MARK}.",
        "",
        "| reader | MB/s of a core | peak memory, MB |",
        "|---|---:|---:|",
    ]
    for row in rows:
        rate = f"{row['median_megabytes_per_cpu_second']:.1f}"
        lines.append(f"| {row['contender']} | {rate} | {row['peak_megabytes']} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Compare and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--file", type=Path, help="a file of citations, .gz or not; a synthetic one where not given")
    parser.add_argument("--megabytes", type=float, default=60.0, help="size of the XML; a smaller file is repeated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", nargs=3, metavar=("CONTENDER", "FILE", "MEGABYTES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        contender, path, megabytes = arguments.run
        run_one(contender, Path(path), float(megabytes))
        return
    contenders = [name for name in CONTENDERS if name != "pubmed_parser" or find_spec(name) is not None]
    machine = machine_facts(_PACKAGES)
    runs: dict[str, list[Measured]] = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = arguments.file or synthetic(folder)
        path = folder / "citations.xml.gz"
        enlarge(source, path, arguments.megabytes)
        with gzip.open(path) as stream:
            megabytes = stream.seek(0, os.SEEK_END) / 1e6
        for _ in range(arguments.rounds):
            for contender in contenders:
                runs[contender].append(run_apart(Path(sys.argv[0]), contender, [str(path), str(megabytes)]))
    rows = [summary(found) for found in runs.values()]
    shown = f"the citations of {source.name}, repeated" if arguments.file else "synthetic citations"
    content = {
        "machine": machine,
        "source": shown,
        "rows": rows,
        "runs": as_dicts([r for f in runs.values() for r in f]),
    }
    stem = "pubmed-xml-file" if arguments.file else "pubmed-xml"
    print(write_results(stem, content, report(machine, shown, rows)).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
