"""`tcpcheck map`: for an unknown of a spec, every outcome with the exact set of values that leads to it.

An outcome is what can be seen at a moment. The moments are those that the spec's claims speak of:

* a segment is received (`server.c in TIME-WAIT receives SYN`; what a claim says of numbers is left out): its outcomes
  are what the host sends in reply, and the state in which the socket is then;
* something is waited for (`after { P } eventually { Q } within 1s`): its outcomes are that it comes in time, too early,
  too late, or never;
* any other predicate, of `reach { P }` say: its outcome is that it comes true.
"""

from tcpcheck.mapping.outcomes import map_scenario
from tcpcheck.mapping.result import Map, MapResult, Moment, Outcome, Quantity
from tcpcheck.mapping.unknowns import searched_names

__all__ = ["Map", "MapResult", "Moment", "Outcome", "Quantity", "map_scenario", "searched_names"]
