from tcpcheck.explore.result import Limits, Progress, Saver, SearchResult
from tcpcheck.explore.system import Handle

def search(
    handle: Handle,
    *,
    claims: int = 0,
    stop: int = 0,
    lasso: int = 0,
    marks: int = 0,
    limits: Limits = ...,
    progress: Progress | None = None,
    batch: int = 16,
    saver: Saver | None = None,
    _fail_after: int = -1,
) -> SearchResult: ...
