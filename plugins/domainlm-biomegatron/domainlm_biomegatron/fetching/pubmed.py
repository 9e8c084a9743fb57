"""MEDLINE/PubMed: the annual baseline and the daily update files of the US National Library of Medicine.

Addresses, names and checksum files: https://pubmed.ncbi.nlm.nih.gov/download/ and README.txt in the baseline's folder
(https://ftp.ncbi.nlm.nih.gov/pubmed/baseline/README.txt): `pubmed24n0001.xml.gz`, where 24 is the year, and beside it
`pubmed24n0001.xml.gz.md5`, which reads `MD5(pubmed24n0001.xml.gz)= HEX`. Update files go on counting where the baseline
ends (NLM Tech Bull. 2023 Nov-Dec;(455):b11: baseline pubmed24n0001 to 1219, first update file 1220). The baseline's
folder is filled anew each December, so for a while it may hold files of two years.
"""

from __future__ import annotations

from domainlm.api import FetchPlan, FetchSource, FolderListing

_LISTING = FolderListing(
    pattern=r"pubmed(?P<edition>\d{2})n(?P<number>\d{4,})\.xml\.gz",
    checksum_suffix=".md5",
)
_MAX_CONNECTIONS = 4
"""NLM states no limit for this server; more would be impolite."""

PUBMED = FetchPlan(
    licence=(
        "NLM's terms, https://www.nlm.nih.gov/databases/download/terms_and_conditions.html; publishers or authors may "
        "hold the copyright of abstracts"
    ),
    sources=(
        FetchSource(
            name="baseline",
            description="PubMed baseline: all citations as of last December",
            base_url="https://ftp.ncbi.nlm.nih.gov/pubmed/baseline/",
            files=_LISTING,
            size="about 1,300 files of some 20 MB each",
            max_connections=_MAX_CONNECTIONS,
        ),
        FetchSource(
            name="updates",
            description="PubMed update files: new, revised and deleted citations of each day since the baseline",
            base_url="https://ftp.ncbi.nlm.nih.gov/pubmed/updatefiles/",
            files=_LISTING,
            size="numbers go on where the baseline's end",
            max_connections=_MAX_CONNECTIONS,
        ),
    ),
)
