from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.api import DataError, ProblemLog
from domainlm_biomegatron.readers.jats import read_commercial
from domainlm_biomegatron.readers.pubmed import read_pubmed
from domainlm_biomegatron.readers.pubmed_and_pmc import read_pubmed_and_pmc
from domainlm_biomegatron.readers.squad_articles import read_squad_articles
from domainlm_biomegatron.sample.writers import write_pubmed_and_pmc

Write = Callable[[str, str | bytes], Path]


def test_each_file_is_read_as_what_it_is(tmp_path: Path) -> None:
    files = write_pubmed_and_pmc(tmp_path, 0, 8)["text"]
    for path in files:
        read = read_pubmed if path.parent.name == "pubmed" else read_commercial
        expected = list(read(path, ProblemLog()))
        assert expected
        assert list(read_pubmed_and_pmc(path, ProblemLog())) == expected
    assert {path.parent.name for path in files} == {"pubmed", "pmc"}


def test_an_article_without_a_pmc_id_does_not_replace_its_citation(write: Write, problems: ProblemLog) -> None:
    citation = write(
        "pubmed26n0001.xml",
        "<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>77</PMID><Article><Abstract><AbstractText>Short."
        "</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle></PubmedArticleSet>",
    )
    front = "<front><article-meta>{}<permissions><license><license-p>CC BY 4.0</license-p></license></permissions>"
    article = f"<article>{front}</article-meta></front><body><p>Long.</p></body></article>"
    ids = ['<article-id pub-id-type="pmid">77</article-id>', '<article-id pub-id-type="doi">10.1/x</article-id>']
    texts = [ids[0] + ids[1], ids[1]]
    files = [citation, *(write(f"{number}.nxml", article.format(text)) for number, text in enumerate(texts))]
    documents = [document for file in files for document in read_pubmed_and_pmc(file, problems)]
    assert [document.id for document in documents] == ["77", "pmid:77", "doi:10.1/x"]
    assert all(document.paragraphs for document in documents)


def test_damage_is_reported_by_the_reader(write: Write) -> None:
    with pytest.raises(DataError):
        list(read_pubmed_and_pmc(write("broken.xml.gz", gzip.compress(b"<article>" * 400)[:40]), ProblemLog()))


def squad(num_articles: int) -> str:
    def article(number: int) -> dict[str, object]:
        qa = {"id": f"q{number}", "question": "Who?", "answers": [{"text": "Ash", "answer_start": 0}]}
        return {"title": str(number), "paragraphs": [{"context": "Ash wrote it.", "qas": [qa]}]}

    return json.dumps({"version": "1.1", "data": [article(number) for number in range(1, num_articles + 1)]})


def test_every_fifth_article_is_for_dev(write: Write, problems: ProblemLog) -> None:
    path = write("dev-v1.1.json", squad(11))
    ids = {split: [e.id for e in read_squad_articles(path, split, problems)] for split in ("train", "dev", "test")}  # type: ignore[arg-type]
    assert ids == {"train": ["q1", "q2", "q3", "q4", "q6", "q7", "q8", "q9", "q11"], "dev": ["q5", "q10"], "test": []}


def test_odd_questions_and_articles_stay_in_their_part(write: Write, problems: ProblemLog) -> None:
    content = json.loads(squad(10))
    articles = content["data"]
    del articles[0]["paragraphs"][0]["qas"][0]["id"]
    articles[1]["paragraphs"] = None
    articles[2] = "no article"
    articles[3]["paragraphs"][0]["qas"][0]["id"] = "a#b"
    articles[9]["paragraphs"][0]["qas"][0]["id"] = "a#b"
    path = write("dev-v1.1.json", json.dumps(content))
    train = [example.id for example in read_squad_articles(path, "train", problems)]
    dev = [example.id for example in read_squad_articles(path, "dev", ProblemLog())]
    assert train == ["dev-v1.1:1", "a#b", "q6", "q7", "q8", "q9"]
    assert dev == ["q5", "a#b#8"]
    assert problems.counts == {
        'no list of "paragraphs"': 1,
        'entry of "data" is not an object': 1,
        "id given twice": 1,
    }


@pytest.mark.real
def test_articles_of_the_real_development_set(data_dir: Path, problems: ProblemLog) -> None:
    """48 articles and 10,570 questions, as the data's read-me says: none is lost, and none is in both parts."""
    path = data_dir / "qa" / "squad" / "dev-v1.1.rebuilt.json.gz"
    train, dev = ({e.id for e in read_squad_articles(path, split, problems)} for split in ("train", "dev"))
    assert len(train) + len(dev) == len(train | dev) == 10_570
    assert 1_000 < len(dev) < 3_000
