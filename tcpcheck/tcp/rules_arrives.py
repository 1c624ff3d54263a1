"""Rules of arriving segments: (name, what happens, RFC clause, kernel function), in the order of rules.pxd."""

ARRIVE_RULES: tuple[tuple[str, str, str, str], ...] = (
    (
        "NO_SOCKET_RST",
        "no socket for this segment: RST",
        "RFC 9293 3.10.7.1",
        "tcp_v4_rcv, tcp_v4_send_reset",
    ),
    (
        "NO_SOCKET_RST_IGNORED",
        "no socket for this RST: silence",
        "RFC 9293 3.10.7.1",
        "tcp_v4_send_reset",
    ),
)
