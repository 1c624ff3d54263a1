"""The kernel of this machine as judge: traces are played against real sockets in a network namespace of their own.

namespace   the namespace, its TUN device, and processes that work in one
packet      segments and their bytes
diag        socket states, by inet_diag
part        one host's part in a trace: what it does, what it must send, in which states its sockets then are
numbers     the trace's numbers and the kernel's: ISNs and timestamps are the kernel's own choice
sockets     the calls of a trace, made on real sockets
player      plays one part and compares step by step
replay      which parts of which traces this kernel can play, in several processes
"""
