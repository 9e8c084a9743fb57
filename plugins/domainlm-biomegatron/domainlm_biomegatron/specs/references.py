"""The study's published tables, which reports of its recipes show beside their own."""

from __future__ import annotations

from domainlm_biomegatron.reference.data import TABLE_3, TABLE_8, TABLE_9
from domainlm_biomegatron.reference.ner_re import LABELLING, TABLE_1, TABLE_5
from domainlm_biomegatron.reference.questions import TABLE_2, TABLE_4, TABLE_6, TABLE_7

REFERENCE_TABLES = (TABLE_1, TABLE_2, TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_7, TABLE_8, TABLE_9, LABELLING)
