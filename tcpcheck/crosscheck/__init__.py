"""The kernel of this machine as the judge of the TCP core: what both are asked, and how their answers compare.

    lab         one connection between a fake peer and the kernel: what a host under test must be able to do
    model       the model in the kernel's place
    states      how each state is reached
    stimuli     what is then sent
    cells       state x stimulus -> replies and next state, in words
    predict     what the model says of each cell
    walk        several segments and calls in a row
    follow      all that the model may do at a step of a walk

The namespace, the TUN device and the segments are tcpcheck.live's.
"""
