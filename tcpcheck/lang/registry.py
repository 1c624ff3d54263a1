"""What the profiles know and the language does not: kernels, features, sysctls, rules. tcp/ fills it in."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class Registry(Protocol):
    def kernels(self) -> Collection[str]:
        """Names for "did you mean": `linux 6.18.44`."""

    def resolve_kernel(self, text: str) -> tuple[str, str | None] | None:
        """`linux 6.18.44` -> (`linux-6.18.44`, a warning or None); None if unknown."""

    def features(self) -> Collection[str]:
        """What `with` and `without` can switch."""

    def sysctls(self) -> Collection[str]:
        """Full names: `net.ipv4.tcp_timestamps`."""

    def check_sysctl(self, name: str, value: int) -> str | None:
        """What is wrong with the value, or None."""

    def effective(self, kernel: str, sysctl: str) -> bool:
        """False: the sysctl changes nothing in this profile (canonical name)."""

    def rules(self) -> Collection[str]:
        """Names for `takes`."""
