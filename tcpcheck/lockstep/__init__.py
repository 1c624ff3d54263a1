"""`tcpcheck diff`: the shortest run on which two kernels part.

Two models of one spec, which differ in their kernels only, go in step: the same event, the same fate of each segment.
They part where one can do what the other cannot: another segment or other numbers in it, another state of a socket,
another result of a call, or something that the other does not do at that time.
"""

from tcpcheck.lockstep.product import Also, diff_case
from tcpcheck.lockstep.result import Difference, Side

__all__ = ["Also", "Difference", "Side", "diff_case"]
