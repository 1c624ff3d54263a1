"""Ctrl-C of the program, as KeyboardInterrupt, but never where that would be swallowed or leave something half made.

An exception in a destructor or in a weak reference's callback is printed by Python and lost; one within z3's wrappers
leaves an object without the fields that its destructor asks for; one within an import leaves half a module. There, and
while a search is saved, the signal is put off for a moment. While Python itself starts, some 20 ms, Ctrl-C gives
Python's own traceback.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

MOMENT = 0.01  # s
WAIT_FOR_MODULES = ("z3", "importlib", "weakref", "_weakrefset")  # and what is below them
WAIT_FOR_FUNCTIONS = ("__del__",)
SAVING = "tcpcheck.checkpoint"  # a second Ctrl-C would leave what was found since the file was last written

Handler = Callable[[int, FrameType | None], object]


def install() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt where it may."""
    signal.signal(signal.SIGINT, at_a_good_moment(signal.default_int_handler))


def at_a_good_moment(handler: Handler) -> Handler:
    """A handler of SIGINT that does what `handler` does, if need be a moment later."""

    def handle(number: int, frame: FrameType | None) -> None:
        if not must_wait(frame):
            handler(number, frame)
            return
        signal.signal(signal.SIGALRM, _again)
        signal.setitimer(signal.ITIMER_REAL, MOMENT)

    return handle


def _again(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


def must_wait(frame: FrameType | None) -> bool:
    """Whether what tcpcheck has called must not be interrupted. An import that has called tcpcheck does not count."""
    while frame is not None and frame.f_globals is globals():  # `_again` stands before what it interrupts
        frame = frame.f_back
    while frame is not None:
        name, function = str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
        module = name.partition(".")[0]
        if module in WAIT_FOR_MODULES or function in WAIT_FOR_FUNCTIONS or name == SAVING:
            return True
        if module == "tcpcheck" and function != "<module>":
            return False
        frame = frame.f_back
    return False
