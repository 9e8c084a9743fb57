"""PubMed abstracts and PMC full text: the two corpora of the BioMegatron study (Shin et al. 2020, section 3)."""

from __future__ import annotations

from domainlm.api import CorpusSpec, SampleWriter
from domainlm_biomegatron.fetching.pmc import PMC
from domainlm_biomegatron.fetching.pubmed import PUBMED
from domainlm_biomegatron.readers.jats import read_jats
from domainlm_biomegatron.readers.pubmed import read_pubmed
from domainlm_biomegatron.sample.writers import write_pmc, write_pubmed

CORPORA = (
    CorpusSpec(
        name="biomegatron/pubmed",
        description="PubMed titles and abstracts, from MEDLINE/PubMed XML",
        read=read_pubmed,
        patterns=("*.xml.gz", "*.xml"),
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
        description="PMC full text, from JATS XML: title, abstract and body paragraphs",
        read=read_jats,
        patterns=("*.nxml", "*.xml", "*.nxml.gz", "*.xml.gz"),
        sample=SampleWriter(
            write=write_pmc,
            description="synthetic JATS articles: invented names in sentences of a small grammar, no real article",
        ),
        fetch=PMC,
        source=(
            "PMC Open Access Subset of the US National Library of Medicine, "
            "https://pmc.ncbi.nlm.nih.gov/tools/openftlist/; each article states its own licence (the study used the "
            "commercial-use collection: CC0, CC BY and the like)"
        ),
    ),
)
