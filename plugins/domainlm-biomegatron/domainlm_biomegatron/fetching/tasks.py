"""The data of tasks: two sets that are public domain, and two that each user has to register for."""

from __future__ import annotations

from domainlm.api import ArchiveMember, FetchPlan, FetchSource, Registration, RemoteFile

_CDR_FOLDER = "CDR_Data/CDR.Corpus.v010516"
_CDR = RemoteFile(
    name="CDR_Data.zip",
    # First the copy in NCBI's folder of Zhiyong Lu's group, which made the corpus; then BioCreative's own, whose server
    # is not always up (github.com/bigscience-workshop/biomedical/pull/910, github.com/sg-wbi/belb/issues/4).
    urls=(
        "CDR_Data.zip",
        "https://biocreative.bioinformatics.udel.edu/media/store/files/2016/CDR_Data.zip",
    ),
    # As BigBIO's loader of BC5CDR unpacks it (bigbio/hub/hub_repos/bc5cdr).
    members=tuple(
        ArchiveMember(path=f"{_CDR_FOLDER}/CDR_{part}Set.PubTator.txt") for part in ("Training", "Development", "Test")
    ),
)
BC5CDR = FetchPlan(
    licence="public domain (US Government work), as its read-me says",
    sources=(
        FetchSource(
            name="corpus",
            description="BioCreative V CDR corpus: 1,500 abstracts in PubTator format",
            base_url="https://ftp.ncbi.nlm.nih.gov/pub/lu/BC5CDR/",
            files=(_CDR,),
            max_connections=2,
        ),
    ),
)

# Names of archives and files: https://www.ncbi.nlm.nih.gov/CBBresearch/Dogan/DISEASE/
NCBI_DISEASE = FetchPlan(
    licence="public domain (US Government work), as its page says",
    sources=(
        FetchSource(
            name="corpus",
            description="NCBI disease corpus: 793 abstracts in PubTator format",
            base_url="https://www.ncbi.nlm.nih.gov/CBBresearch/Dogan/DISEASE/",
            files=tuple(
                RemoteFile(
                    name=f"NCBI{part}set_corpus.zip",
                    urls=(f"NCBI{part}set_corpus.zip",),
                    members=(ArchiveMember(path=f"NCBI{part}set_corpus.txt"),),
                )
                for part in ("train", "develop", "test")
            ),
            max_connections=2,
        ),
    ),
)

# BLURB and most code for ChemProt say to register and download from this page. It holds archives within an archive.
CHEMPROT = FetchPlan(
    licence="for research, free of charge, from BioCreative to those who register",
    registration=Registration(
        url="https://biocreative.bioinformatics.udel.edu/resources/corpora/chemprot-corpus-biocreative-vi/",
        instructions=(
            "and download ChemProt_Corpus.zip. Unpack it, and in it chemprot_training.zip, chemprot_development.zip\n"
            "and chemprot_test_gs.zip; put the folders that come out into the folder of the task."
        ),
        files=("chemprot_training/*.tsv", "chemprot_development/*.tsv", "chemprot_test_gs/*.tsv"),
    ),
)

# Names of archives: BigBIO's loader of BioASQ task B (bigbio/hub/hub_repos/bioasq_task_b). The study used 7b.
BIOASQ = FetchPlan(
    licence="BioASQ's, to those who register",
    registration=Registration(
        url="http://participants-area.bioasq.org/accounts/register/",
        instructions=(
            "and download from http://participants-area.bioasq.org/datasets/, under task b, BioASQ-training7b.zip\n"
            "and Task7BGoldenEnriched.zip. Unpack both and put their .json files into the folder of the task."
        ),
        files=("train*7b.json", "7B1_golden.json to 7B5_golden.json"),
    ),
)
