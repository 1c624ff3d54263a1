"""Recorded answers of the real kernel, as the judge of the TCP core where no kernel can be asked.

cells       records the kernel's cells (tcpcheck.crosscheck) into cells-<release>.json.gz
walks       several random segments and calls in a row; records walks-<release>.json.gz
timed       the same with silences between them; records timed-<release>.json.gz; can the model follow?
truth       captures of longer experiments with the same kernel

agree       cells of kernel and model compared
follow      can the model follow the kernel's walks?
replay      captures against the model
"""
