"""For all tests."""

import signal

# A shell ignores SIGINT for what it starts in the background, and what is ignored stays so in everything below.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
