"""What a full stop after a word may mean: the word lists behind the sentence splitter. English, any subject."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TITLES = _words(
    """Adm Amb Atty Capt Cmdr Col Cpl Cpt Det Dir Dr Drs Fr Ft Gen Gov Hon Insp Lt Maj Messrs Mgr Mlle Mme Mr Mrs Ms
    Msgr Mt Mx Pres Prof Profs Pte Pvt Rep Rev Sen Sgt Sr Sra St Ste Supt"""
)
"""Stand before a name, written with this capital: never the end of a sentence."""

NEVER_LAST = _words("e.g eg i.e ie vs v cf viz resp esp incl approx ca")
"""Always followed by something that belongs to them (in small letters)."""

BEFORE_NUMBERS = _words(
    """apr art arts aug avg c cl col dec ed eds est ext feb jan jul jun mar max min n nn no nos nov nr oct op par para
    paras q reg regs rs sep sept tel"""
)
"""Not the end of a sentence where a number follows (in small letters)."""

BEFORE_LABELS = _words(
    """ann app appx bk ch chap chaps eq eqn eqns eqs ex exs fig figs fn ll ln lot p pg pgs pl pp pt pts ref refs sched
    sec secs sect sects supp suppl tab table tabs v ver vers vol vols"""
)
"""Not the end of a sentence where a number or a label such as "A", "S2" or "IV" follows (in small letters)."""

MAY_BE_LAST = _words("al inc ltd co corp llc plc bros jr sr esq etc dept univ assn cie gmbh")
"""The end of a sentence only where a word follows that often starts one (in small letters)."""

DESIGNATORS = _words(
    """annex appendix article category chart class clause column degree degrees exhibit figure grade group item lemma
    level line list model note option panel part phase plan player point row schedule section series shape stage step
    table team theorem type unit version vitamin zone"""
)
"""Before a single capital letter that names one of several ("in group B."): the letter is no initial."""

STARTERS = _words(
    """A Accordingly Additionally After All Also Alternatively Although Among An And Another Any As At Because Before
    Between Both But By Consequently Conversely Currently Despite During Each Either Every Few Finally First For From
    Furthermore Given He Hence Here His How However I If Importantly In Indeed Initially Instead Interestingly Into It
    Its Later Likewise Many Meanwhile More Moreover Most My Neither Nevertheless Next No None Nonetheless Nor Not
    Notably Nothing Now On Once One Only Or Other Otherwise Our Out Over Overall Perhaps Previously Recently Second
    Several She Similarly Since So Some Soon Specifically Still Subsequently Such Surprisingly Than That The Their
    Then There Therefore These They Third This Those Though Three Through Thus To Today Together Two Typically Under
    Unfortunately Unlike Until Upon Usually Very We What When Whenever Where Whereas Whether Which While Who Whose Why
    With Within Without Yet You Your"""
)
"""Words that, with a capital after a full stop, nearly always start a sentence."""
