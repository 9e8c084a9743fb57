"""Formats that predictions can be written in."""

from __future__ import annotations

from domainlm.api import OutputSpec
from domainlm_biomegatron.writing.bioasq import write_bioasq
from domainlm_biomegatron.writing.pubtator import write_pubtator

OUTPUTS = (
    OutputSpec(
        name="biomegatron/pubtator",
        description="PubTator: title, abstract and mentions of each text; its first line is the title",
        kinds=("token",),
        write=write_pubtator,
    ),
    OutputSpec(
        name="biomegatron/bioasq",
        description="BioASQ task B, phase B, as participants send it in: up to five answers to each factoid question",
        kinds=("span",),
        write=write_bioasq,
    ),
)
