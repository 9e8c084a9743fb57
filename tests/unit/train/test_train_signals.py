"""Signals during training."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from domainlm.errors import Terminated
from domainlm.train.signals import deferred_signals, interrupt


@pytest.fixture
def term() -> Iterator[list[int]]:
    """SIGTERM with a handler of the program's own, which notes its calls."""
    calls: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: calls.append(number))
    yield calls
    signal.signal(signal.SIGTERM, before)


def test_a_handler_of_the_program_is_called_when_delivered(term: list[int]) -> None:
    with deferred_signals() as signals:
        signals.deliver()
        signal.raise_signal(signal.SIGTERM)
        assert (signals.received, term) == (True, [])
        signals.deliver(signals.number)
        assert (signals.received, term) == (False, [signal.SIGTERM])
        signals.deliver()
        assert term == [signal.SIGTERM]
    signal.raise_signal(signal.SIGTERM)
    assert term == [signal.SIGTERM] * 2


def test_within_immediate_nothing_waits(term: list[int]) -> None:
    with deferred_signals() as signals, signals.immediate():
        signal.raise_signal(signal.SIGTERM)
        assert (signals.received, term) == (False, [signal.SIGTERM])


def test_one_that_waits_is_delivered_on_entering_immediate() -> None:
    entered = False
    with deferred_signals() as signals:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), signals.immediate():
            entered = True
    assert not entered


def test_signals_without_a_handler_are_left_alone() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with deferred_signals():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_defer_nothing() -> None:
    handlers = []

    def look() -> None:
        with deferred_signals() as signals:
            handlers.append((signal.getsignal(signal.SIGINT), signals.received))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [(before, False)]


def test_one_of_several_ranks_never_stops_at_once(term: list[int]) -> None:
    with deferred_signals(is_alone=False) as signals, signals.immediate():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert (signals.number, term) == (signal.SIGTERM, [])
        with pytest.raises(Terminated):  # as the others do, whose handlers were not called
            signals.deliver(signal.SIGTERM)
    assert term == [signal.SIGTERM]


def test_a_second_one_while_the_first_is_seen_to_stops_nothing_where_the_program_only_takes_note() -> None:
    """Those of one process: the first was taken up, and is delivered once what it waits for is saved."""
    noted: list[int] = []
    with deferred_signals() as deferred:
        deferred.defer(signal.SIGINT, None, lambda number, _: noted.append(number))
        number = deferred.number
        deferred.defer(signal.SIGINT, None, lambda number, _: noted.append(number))
        deferred.deliver(number)
    assert noted


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_of_another_rank_has_its_effect_here(number: signal.Signals, kind: type[BaseException]) -> None:
    with deferred_signals(is_alone=False) as signals, pytest.raises(kind) as caught:
        signals.deliver(number)
    assert caught.type is kind


@pytest.mark.parametrize("is_alone", [True, False])
def test_an_interruption_waits_and_needs_no_handler_of_the_program(is_alone: bool) -> None:
    calls: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: calls.append(number))
    try:
        with deferred_signals(is_alone=is_alone) as signals:
            interrupt()
            assert signals.number == signal.SIGINT
            with pytest.raises(KeyboardInterrupt):
                signals.deliver(signals.number)
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == []
