"""The kernel of this machine as the judge of the TCP core: what both are asked, and how their answers compare.

    lab         one connection between a fake peer and the kernel: what a host under test must be able to do
    model       the model in the kernel's place

    states      how each state is reached
    stimuli     what is then sent
    cells       state x stimulus -> replies and next state, in words; the settings
    play        cells on the kernel, as fast as it goes
    predict     what the model says of each cell, by which rules
    judge       both, for the cells of one state

    walk        several segments and calls in a row
    starts      where traces begin
    generate    traces from the model that together take every rule after every other
    branch      one way in which the model may have come as far as the kernel, when time passes
    traces      traces on the kernel, followed by the model
    coverage    which rules were taken, and why the others were not

    run         a whole cross-check, by several processes
    report, traces_report, page     text, JSON, HTML

The namespace, the TUN device and the segments are tcpcheck.live's. Recorded answers are in tests/kernel.
"""
