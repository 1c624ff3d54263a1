"""What the language must know of the protocol: names of kernels, sysctls and rules. The one bridge between the two."""

REGISTRY = None
