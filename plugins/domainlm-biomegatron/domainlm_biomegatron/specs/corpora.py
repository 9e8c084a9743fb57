"""PubMed abstracts and PMC full text: the two corpora of the BioMegatron study (Shin et al. 2020, section 3)."""

from __future__ import annotations

from domainlm.api import CorpusSpec, SampleWriter
from domainlm_biomegatron.fetching.pmc import PMC
from domainlm_biomegatron.fetching.pubmed import PUBMED
from domainlm_biomegatron.readers.jats import read_all, read_commercial, read_commercial_with_captions
from domainlm_biomegatron.readers.pubmed import read_pubmed
from domainlm_biomegatron.readers.pubmed_and_pmc import read_pubmed_and_pmc
from domainlm_biomegatron.sample.writers import write_pmc, write_pubmed, write_pubmed_and_pmc

_PUBMED_PATTERNS = ("*.xml.gz", "*.xml")
_PMC_PATTERNS = ("*.nxml", "*.xml", "*.nxml.gz", "*.xml.gz", "*.tar.gz", "*.tgz", "*.tar")
_PMC_SAMPLE = SampleWriter(
    write=write_pmc,
    description="synthetic JATS articles: invented names in sentences of a small grammar, no real article",
)
_PMC_SOURCE = (
    "PMC Open Access Subset of the US National Library of Medicine, "
    "https://pmc.ncbi.nlm.nih.gov/tools/openftlist/; each article states its own licence (the study used the "
    "commercial-use collection: CC0, CC BY and the like)"
)

CORPORA = (
    CorpusSpec(
        name="biomegatron/pubmed",
        version=2,
        description="PubMed titles and abstracts in English, from MEDLINE/PubMed XML: baseline and update files",
        read=read_pubmed,
        patterns=_PUBMED_PATTERNS,
        replaces=True,
        sample=SampleWriter(
            write=write_pubmed,
            description="synthetic PubMed XML: invented names in sentences of a small grammar, no real record",
        ),
        fetch=PUBMED,
        source=(
            "MEDLINE/PubMed annual baseline and daily update files of the US National Library of Medicine, "
            "https://ftp.ncbi.nlm.nih.gov/pubmed/, under NLM's terms and conditions; publishers or authors may hold "
            "the copyright of abstracts"
        ),
    ),
    CorpusSpec(
        name="biomegatron/pmc",
        version=3,
        description="PMC full text that permits commercial use, from JATS XML or tar archives of it: title, abstract "
        "and body paragraphs",
        read=read_commercial,
        patterns=_PMC_PATTERNS,
        replaces=True,
        sample=_PMC_SAMPLE,
        fetch=PMC,
        source=_PMC_SOURCE,
    ),
    CorpusSpec(
        name="biomegatron/pmc-captions",
        version=2,
        description="as biomegatron/pmc, with the captions of figures and tables where they stand",
        read=read_commercial_with_captions,
        patterns=_PMC_PATTERNS,
        replaces=True,
        sample=_PMC_SAMPLE,
        fetch=PMC,
        source=_PMC_SOURCE,
    ),
    CorpusSpec(
        name="biomegatron/pmc-all",
        version=2,
        description="as biomegatron/pmc, whatever the licence: it is in each document's meta",
        read=read_all,
        patterns=_PMC_PATTERNS,
        replaces=True,
        sample=_PMC_SAMPLE,
        source=_PMC_SOURCE,
    ),
    # The study's mixture of 4.5 to 1.6 billion words comes of itself where both are whole and are read once; recipes
    # that read less of them keep it by the weights of [mixture], with pubmed and pmc as two corpora.
    CorpusSpec(
        name="biomegatron/pubmed+pmc",
        version=2,
        description="biomegatron/pubmed and biomegatron/pmc as one corpus: each file is read as what it is",
        read=read_pubmed_and_pmc,
        patterns=_PMC_PATTERNS,
        replaces=True,
        sample=SampleWriter(
            write=write_pubmed_and_pmc,
            description="synthetic PubMed XML and JATS articles: invented names, no real record or article",
        ),
        source="as biomegatron/pubmed and biomegatron/pmc",
    ),
)
