"""Classes of licences, from statements as articles have them."""

from __future__ import annotations

import pytest
from lxml import etree

from domainlm_biomegatron.readers.licences import read_licence

NAMESPACES = 'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:ali="http://www.niso.org/schemas/ali/1.0/"'
CC = "https://creativecommons.org"


def name_of(permissions: str) -> str:
    front = etree.fromstring(f"<article-meta {NAMESPACES}><permissions>{permissions}</permissions></article-meta>")
    return read_licence(front).name


def licence(text: str = "", address: str = "", kind: str = "") -> str:
    attributes = f' xlink:href="{address}"' if address else ""
    attributes += f' license-type="{kind}"' if kind else ""
    return f"<license{attributes}><license-p>{text}</license-p></license>"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/licenses/by/4.0/", "CC BY"),
        ("/licenses/by/3.0/igo/legalcode", "CC BY"),
        ("/licenses/by-sa/4.0", "CC BY-SA"),
        ("/licenses/by-nd/4.0", "CC BY-ND"),
        ("/licenses/by-nc/4.0", "CC BY-NC"),
        ("/licenses/by-nc-sa/3.0", "CC BY-NC-SA"),
        ("/licenses/by-nc-nd/4.0/", "CC BY-NC-ND"),
        ("/licences/by/2.0/uk/", "CC BY"),
        ("/licenses/publicdomain/", "public domain"),
        ("/publicdomain/zero/1.0/", "CC0"),
        ("/publicdomain/mark/1.0/", "public domain"),
    ],
)
def test_addresses(path: str, expected: str) -> None:
    assert name_of(licence("Some words.", CC + path)) == expected
    assert name_of(licence(f"Open access ({CC}{path}).")) == expected
    assert name_of(licence(f'<ext-link xlink:href="{CC}{path}">here</ext-link>')) == expected
    assert name_of(f"<ali:license_ref>{CC}{path}</ali:license_ref>") == expected
    assert name_of(f"<license><ali:license_ref>{CC}{path}</ali:license_ref></license>") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("distributed under the terms of the Creative Commons Attribution License, which permits any use", "CC BY"),
        ("Creative Commons Attribution 4.0 International License (CC BY 4.0)", "CC BY"),
        ("under the CC-BY license", "CC BY"),
        ("Creative Commons Attribution-ShareAlike 4.0", "CC BY-SA"),
        ("Creative Commons Attribution-NoDerivatives 4.0", "CC BY-ND"),
        ("Creative Commons Attribution Non-Commercial License", "CC BY-NC"),
        ("Creative Commons Attribution-NonCommercial-NoDerivs 3.0", "CC BY-NC-ND"),
        ("Creative Commons Attribution-Noncommercial-Share Alike 3.0 Unported License", "CC BY-NC-SA"),
        ("the terms of CC BY-NC-ND 4.0", "CC BY-NC-ND"),
        ("Creative Commons Attribution License, which permits unrestricted non-commercial use", "CC BY-NC"),
        ("Creative Commons Attribution License, for commercial and non-commercial use", "CC BY"),
        ("Creative Commons Public Domain declaration: once placed in the public domain, ...", "CC0"),
        ("the Creative Commons CC0 public domain dedication", "CC0"),
        ("Publication of EHP lies in the public domain and is therefore without copyright.", "public domain"),
        ("This is a work of the U.S. Government.", "public domain"),
        ("Elsevier user license", "other"),
        ("All rights reserved. No part may be used.", "other"),
    ],
)
def test_wordings(text: str, expected: str) -> None:
    assert name_of(licence(text)) == expected


def test_data_under_cc0_do_not_free_the_article() -> None:
    text = f"Under CC BY 4.0 ({CC}/licenses/by/4.0/). The waiver ({CC}/publicdomain/zero/1.0/) applies to the data."
    assert name_of(licence(text)) == "CC BY"


def test_wording_may_tighten_an_address_but_not_loosen_it() -> None:
    text = "Creative Commons Attribution License, which permits unrestricted non-commercial use"
    assert name_of(licence(text, f"{CC}/licenses/by/3.0/")) == "CC BY-NC"
    assert name_of(licence("the Creative Commons Attribution License", f"{CC}/licenses/by-nc/3.0/")) == "CC BY-NC"


def test_of_several_licences_the_strictest_holds() -> None:
    two = licence("", f"{CC}/licenses/by/4.0/") + licence("", f"{CC}/licenses/by-nc-nd/4.0/")
    assert name_of(two) == "CC BY-NC-ND"


def test_where_nothing_else_speaks() -> None:
    assert name_of(licence("", kind="cc-by")) == "CC BY"
    assert name_of(licence("Free to read.", kind="open-access")) == "other"
    assert (
        name_of("<copyright-statement>Under the Creative Commons Attribution License.</copyright-statement>") == "CC BY"
    )
    assert name_of("<copyright-statement>The authors 2020.</copyright-statement>") == "none"
    assert name_of("") == "none"
    assert read_licence(None).name == "none"
