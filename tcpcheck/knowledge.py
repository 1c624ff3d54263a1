"""What the language must know of the protocol: names of kernels, sysctls and rules. The one bridge between the two."""

from tcpcheck.lang.registry import Registry as LanguageRegistry
from tcpcheck.tcp.profile import Registry

REGISTRY: LanguageRegistry = Registry()
