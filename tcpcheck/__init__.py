"""tcpcheck, a declarative model checker for TCP corner cases."""

__version__ = "0.1.0"
