# A search that stands between two nodes, as bytes and back.
from tcpcheck.explore.search cimport Search

cdef int snapshot_out(Search* s, object sink) except -1     # sink.write(memoryview), again and again
cdef int snapshot_in(Search* s, object source) except -1    # source.readinto(memoryview), filling it; 0: no memory
