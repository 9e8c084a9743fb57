"""The limits that fetching keeps to: connections, waiting times, and how often something is tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from domainlm.fetch.faults import Fault

MIN_PROGRESS_BYTES = 2**20
"""New bytes that make up for earlier failures: who gets this far each time gets to the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long to go on trying, and how much to ask for at once.

    Attributes:
        connections: requests under way at once.
        attempts: how often a file is tried without progress.
        patience_seconds: how long a file is tried without progress, waiting included.
        first_delay_seconds: longest wait before the second attempt; it doubles with each further one.
        max_delay_seconds: longest wait before any attempt, also where the server asks for more.
        connect_timeout_seconds: for a connection to be made.
        read_timeout_seconds: for the next bytes to come.
        max_failures: files that may fail for good one after the other before the rest is given up. One that comes in
            between shows that the server has others.
        user_agent: what requests say they come from.
        jitter: draws from 0 to 1; keeps many clients that failed together from coming back together.
    """

    connections: int = 4
    attempts: int = 6
    patience_seconds: float = 600.0
    first_delay_seconds: float = 1.0
    max_delay_seconds: float = 120.0
    connect_timeout_seconds: float = 20.0
    read_timeout_seconds: float = 60.0
    max_failures: int = 10
    user_agent: str = "domainlm"
    jitter: Callable[[], float] = field(default=random.SystemRandom().random)


class Budget:
    """The attempts and the time that one file has left. Progress refills both.

    Args:
        policy: the limits.
        clock: seconds that never go back.
    """

    def __init__(self, policy: Policy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._reached = 0
        self._refill()

    def delay_after(self, fault: Fault, num_bytes: int) -> float:
        """Seconds to wait before the next attempt.

        Args:
            fault: why this attempt failed.
            num_bytes: how much of the file is there now. Only what goes beyond all earlier attempts is progress, so
                that a server which always begins anew cannot keep us busy for ever.

        Raises:
            Fault: `fault` itself, where another attempt is pointless or none is left.
        """
        if num_bytes >= self._reached + MIN_PROGRESS_BYTES:
            self._refill()
        self._reached = max(self._reached, num_bytes)
        self._failures += 1
        delay = self._delay(fault)
        spent = self._clock() - self._since + delay > self._policy.patience_seconds
        if not fault.may_pass or self._failures >= self._policy.attempts or spent:
            raise fault
        return delay

    def _refill(self) -> None:
        self._failures = 0
        self._since = self._clock()

    def _delay(self, fault: Fault) -> float:
        """Exponential back-off, half of it drawn; at least what the server asks for, within the longest wait."""
        longest = min(self._policy.first_delay_seconds * 2.0 ** (self._failures - 1), self._policy.max_delay_seconds)
        drawn = longest * (0.5 + 0.5 * self._policy.jitter())
        return min(max(drawn, fault.retry_after_seconds or 0.0), self._policy.max_delay_seconds)
