"""A host in a given state, and segments tried on it; numbers are offsets from the connection's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tcpcheck.tcp.tried import Host

PEER_ISN = 0x7FFF_F000  # so that many comparisons cross 2^31
PEER_TS = 1_000_000
M32 = 0xFFFFFFFF
HALF = 1 << 31

Outcome = tuple[str, tuple[str, ...], tuple[str, ...]]


@dataclass
class Scene:
    """rn: RCV.NXT of the host, sn: its SND.NXT, una: its SND.UNA, sock: its slot, listener: the listener's slot."""

    host: Host
    ts: bool
    rn: int = PEER_ISN
    sn: int = 0
    una: int = 0
    sock: int = -1
    listener: int = -1

    def stamp(self) -> tuple[int, int] | None:
        return (PEER_TS, 1) if self.ts else None

    def put(self, flags: str, seq: int = 0, length: int = 0, ack: int = 0) -> None:
        """A segment that belongs to the build; seq from RCV.NXT, ack from SND.NXT."""
        self.host.put(flags, self.rn + seq, self.sn + ack, length, self.stamp())
        self.look()

    def look(self) -> None:
        """Take the numbers as they stand now."""
        self.sock = self.host.find()
        if self.sock >= 0:
            fields = self.host.sock(self.sock)
            self.sn, self.una = fields["snd_nxt"], fields["snd_una"]
            self.rn = fields["rcv_nxt"]

    @property
    def window(self) -> int:
        return int(self.host.sock(self.sock)["window"])

    def tried(
        self,
        flags: str,
        seq: int | None = 0,
        ack: int | None = 0,
        length: int = 0,
        tsval: int | str | None = "",
        wnd: int = 65535,
    ) -> set[Outcome]:
        """Every outcome. seq is from RCV.NXT, ack from SND.NXT, tsval from ts_recent; None is any number. tsval "":
        the option with a newer value if the connection has it, "none": no option."""
        return self.host.tried(
            flags,
            None if seq is None else self.rn + seq,
            None if ack is None else self.sn + ack,
            length,
            self._option(tsval, "." in flags),
            wnd,
        )

    def _option(self, tsval: int | str | None, echo: bool) -> tuple[int | None, int] | None:
        if tsval == "none" or (tsval == "" and not self.ts):
            return None
        if isinstance(tsval, str):
            tsval = 100
        return None if tsval is None else PEER_TS + tsval, 1 if echo else 0

    def only(self, *args: object, **kwargs: object) -> Outcome:
        """The one outcome that there is."""
        outcomes = self.tried(*args, **kwargs)  # type: ignore[arg-type]
        assert len(outcomes) == 1, outcomes
        return next(iter(outcomes))


def _listening(ts: bool, sysctls: dict[str, int] | None, profile: str, backlog: int = 5) -> Scene:
    scene = Scene(Host(profile, {"tcp_timestamps": 1 if ts else 0, **(sysctls or {})}), ts)
    scene.listener = scene.host.call("listen", n=backlog)
    return scene


def listen(scene: Scene) -> None:
    pass


def request(scene: Scene) -> None:
    scene.put("S")


def established(scene: Scene) -> None:
    request(scene)
    scene.put(".")
    scene.host.call("accept", scene.listener)


def unread(scene: Scene) -> None:
    established(scene)
    scene.put("P.", length=100)


def holes(scene: Scene) -> None:
    established(scene)
    scene.put("P.", seq=1000, length=100)


def in_flight(scene: Scene) -> None:
    established(scene)
    scene.host.call("send", scene.sock, 1000)
    scene.look()


def acked(scene: Scene) -> None:
    in_flight(scene)
    scene.put(".")


def close_wait(scene: Scene) -> None:
    """The FIN's ACK, which waits for a jiffy, has gone out."""
    established(scene)
    scene.put("F.")
    scene.put("S")
    scene.host.advance(1_000_000_000)


def fin_wait1(scene: Scene) -> None:
    established(scene)
    scene.host.call("shutdown", scene.sock)
    scene.look()


def fin_wait1_orphan(scene: Scene) -> None:
    established(scene)
    scene.host.call("close", scene.sock)
    scene.look()


def fin_wait2(scene: Scene) -> None:
    fin_wait1(scene)
    scene.put(".")


def fin_wait2_orphan(scene: Scene) -> None:
    fin_wait1_orphan(scene)
    scene.put(".")


def closing(scene: Scene) -> None:
    fin_wait1(scene)
    scene.put("F.", ack=-1)


def last_ack(scene: Scene) -> None:
    close_wait(scene)
    scene.host.call("close", scene.sock)
    scene.look()


def time_wait(scene: Scene) -> None:
    fin_wait2_orphan(scene)
    scene.put("F.")


def time_wait_closed(scene: Scene) -> None:
    time_wait(scene)
    scene.host.call("close", scene.listener)


def syn_sent(scene: Scene) -> None:
    scene.host.call("close", scene.listener)
    scene.host.call("connect")
    scene.look()
    scene.rn = PEER_ISN


def syn_recv(scene: Scene) -> None:
    syn_sent(scene)
    scene.put("S")


def active(scene: Scene) -> None:
    syn_sent(scene)
    scene.put("S.")


BUILDERS: dict[str, Callable[[Scene], None]] = {
    "LISTEN": listen,
    "request": request,
    "SYN-SENT": syn_sent,
    "SYN-RECV": syn_recv,
    "ESTABLISHED": established,
    "ESTABLISHED active": active,
    "ESTABLISHED unread": unread,
    "ESTABLISHED holes": holes,
    "ESTABLISHED in flight": in_flight,
    "ESTABLISHED acked": acked,
    "CLOSE-WAIT": close_wait,
    "FIN-WAIT-1": fin_wait1,
    "FIN-WAIT-1 orphan": fin_wait1_orphan,
    "FIN-WAIT-2": fin_wait2,
    "FIN-WAIT-2 bucket": fin_wait2_orphan,
    "CLOSING": closing,
    "LAST-ACK": last_ack,
    "TIME-WAIT": time_wait,
    "TIME-WAIT, no listener": time_wait_closed,
}


def scene(name: str, ts: bool = False, sysctls: dict[str, int] | None = None, profile: str = "linux-6.18.44") -> Scene:
    """The host in the state `name`."""
    built = _listening(ts, sysctls, profile)
    BUILDERS[name](built)
    return built
