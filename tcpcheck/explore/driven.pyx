# cython: cdivision=True
"""A transition system driven from Python, one step at a time: for tests that walk the same states as the search."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from tcpcheck.explore.system cimport Handle, RULE_WORDS, STATE_BYTES_MAX
from tcpcheck.sym.choice cimport CHOICES_MAX, Choices, choices_start
from tcpcheck.sym.zone cimport CLOCKS_MAX


cdef class Driver:
    """Drives a fresh system, which stands at its initial state. A zone is a tuple of rows; () without time."""
    cdef Handle handle
    cdef Choices ch
    cdef uint8_t state[STATE_BYTES_MAX]
    cdef int64_t zone[CLOCKS_MAX * CLOCKS_MAX]

    def __init__(self, Handle handle not None):
        self.handle = handle

    def successor(self):
        """(state, zone) as the system saves them: after construction the initial ones."""
        cdef int32_t n = self.handle.sys.save(self.handle.sys.ctx, self.state)
        cdef int32_t k = self.handle.sys.save_zone(self.handle.sys.ctx, self.zone)
        return <bytes>self.state[:n], tuple(tuple(self.zone[i * k + j] for j in range(k)) for i in range(k))

    @property
    def fingerprint(self):
        return self.handle.sys.fingerprint(self.handle.sys.ctx)

    def load(self, bytes state, zone):
        cdef int32_t i, j, k = len(zone)
        for i in range(k):
            for j in range(k):
                self.zone[i * k + j] = zone[i][j]
        self.handle.sys.load(self.handle.sys.ctx, state, len(state), self.zone, k)

    def step(self, bytes choices):
        """One step from the loaded state. -> (feasible, ways to go at the first choice not prescribed or 0)."""
        cdef int i, n = min(len(choices), CHOICES_MAX)
        choices_start(&self.ch)
        self.ch.fixed = n
        for i in range(n):
            self.ch.taken[i] = choices[i]
        feasible = self.handle.sys.step(self.handle.sys.ctx, &self.ch) and not self.ch.dead
        return bool(feasible), self.ch.arity[n] if self.ch.n > n else 0

    @property
    def overflow(self):
        return bool(self.ch.overflow)

    @property
    def hits(self):
        return self.handle.sys.hits(self.handle.sys.ctx)

    @property
    def pending(self):
        return self.handle.sys.pending(self.handle.sys.ctx)

    @property
    def hits_at_end(self):
        """Of the loaded state."""
        return self.handle.sys.hits_at_end(self.handle.sys.ctx)

    @property
    def truncated(self):
        return bool(self.handle.sys.truncated(self.handle.sys.ctx))

    @property
    def rules(self):
        """Numbers of the rules taken in the step."""
        cdef uint64_t words[RULE_WORDS]
        cdef int i
        for i in range(<int>RULE_WORDS):
            words[i] = 0
        self.handle.sys.rules(self.handle.sys.ctx, words)
        return {64 * i + b for i in range(<int>RULE_WORDS) for b in range(64) if words[i] >> b & 1}
