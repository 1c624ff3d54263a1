"""The real kernel as the judge of the TCP core.

    lab         one connection between a fake peer and the kernel, or the model: what both must be able to do
    states      how each state is reached
    stimuli     what is then sent
    cells       state x stimulus -> reply, next state; records the kernel's answers into cells-<release>.json.gz
    walks       several random segments and calls in a row; records walks-<release>.json.gz
    timed       the same with silences between them; records timed-<release>.json.gz; can the model follow?
    truth       captures of longer experiments with the same kernel

    model       the model in the kernel's place
    agree       cells of kernel and model compared
    follow      can the model follow the kernel's walks?
    replay      captures against the model

The namespace, the TUN device and the segments are tcpcheck.live's. Only the standard library is used.
"""
