"""The connection to Ray: a cluster named by RAY_ADDRESS, or one of its own on this machine, on loopback only."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from tcpcheck.errors import Impossible

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to its makers
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a warning
}
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # on Linux, too, it means: listen on loopback only
CONNECT_WITHIN = 10.0  # s
STORE_MIN = 80_000_000  # bytes: Ray wants so much shared memory for messages
STORE_MAX = 2_000_000_000
STORE_SHARE = 8  # of the memory that may be used


def load() -> Any:
    """The module. Error: Impossible."""
    for name, value in (QUIET if "RAY_ADDRESS" in os.environ else QUIET | ALONE).items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise Impossible("--engine ray needs Ray, which is not installed: pip install 'tcpcheck[ray]'") from None
    return ray


def must_answer(address: str) -> None:
    """HOST:PORT, perhaps behind ray://. Ray itself would try for minutes. Error: Impossible."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # `auto`, `local`: Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_WITHIN).close()
    except (OSError, OverflowError) as why:
        raise Impossible(f"no Ray cluster answers at {address} (RAY_ADDRESS): {why}") from why


class Session:
    """cpus: of the cluster that is begun here; default: one for each CPU. memory_bytes: what all searches together may
    take, messages included. Errors: Impossible."""

    def __init__(self, cpus: int | None = None, memory_bytes: int | None = None) -> None:
        self.ray = load()
        self.ours = not self.ray.is_initialized()
        how: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL, "configure_logging": True}
        address = os.environ.get("RAY_ADDRESS")
        store = min(max((memory_bytes or 0) // STORE_SHARE, STORE_MIN), STORE_MAX)
        if not address:
            how |= {
                "num_cpus": cpus or len(os.sched_getaffinity(0)),
                "num_gpus": 0,
                "include_dashboard": False,
                "object_store_memory": store,
                "_node_ip_address": "127.0.0.1",
            }
        if self.ours:
            if address:
                must_answer(address)
            try:
                self.ray.init(**how)
            except Exception as why:  # of many kinds, all of which mean this
                where = f"the cluster at {address} (RAY_ADDRESS)" if address else "Ray on this machine"
                raise Impossible(f"{where} cannot be used: {str(why).strip() or type(why).__name__}") from why
        self.cpus = max(int(self.ray.cluster_resources().get("CPU", 1)), 1)
        self.memory_bytes = None if memory_bytes is None else max(memory_bytes - store, memory_bytes // 2)

    def close(self) -> None:
        """Ends the cluster that was begun here."""
        if self.ours:
            self.ray.shutdown()
