"""The real kernel as the judge of the TCP core.

    packet      a TCP segment, its bytes on the wire
    diag        what state is this connection in (inet_diag)
    namespace   a network namespace of our own, a TUN device in it, the segments that come and go
    lab         one connection between a fake peer and the kernel, or the model: what both must be able to do
    states      how each state is reached
    stimuli     what is then sent
    cells       state x stimulus -> reply, next state; records the kernel's answers into cells-<release>.json.gz
    truth       captures of longer experiments with the same kernel

Nothing outside the namespace is touched, and it vanishes with the process. Only the standard library is used.
"""
