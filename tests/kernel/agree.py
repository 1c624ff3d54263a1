"""Do model and kernel agree on every cell?

python -m tests.kernel.agree [--setting NAME] [STATE]   shows the cells in which they differ
"""

from __future__ import annotations

import argparse

from tcpcheck.crosscheck.cells import SETTINGS
from tcpcheck.crosscheck.model import KERNEL
from tcpcheck.crosscheck.predict import Predictor
from tcpcheck.crosscheck.states import STATES
from tcpcheck.crosscheck.stimuli import parse
from tests.kernel.cells import load


def differences(setting: str, state: str) -> tuple[int, list[tuple[str, str, str]]]:
    """Number of cells, and (stimulus, kernel, model) of those where the model cannot do what the kernel did."""
    kernel = load()[setting][state]
    predictor = Predictor(KERNEL, SETTINGS[setting], state)
    model = {stimulus: predictor.predict(parse(stimulus)) for stimulus in kernel}
    return len(kernel), [(s, kernel[s], " or ".join(sorted(model[s]))) for s in kernel if kernel[s] not in model[s]]


def report(setting: str, state: str) -> tuple[int, int]:
    """Print the differences of one state; cells, cells that agree."""
    total, rows = differences(setting, state)
    print(f"{setting:12} {state:24} {total - len(rows)} / {total}")
    for stimulus, kernel, model in rows:
        print(f"    {stimulus:44} kernel {kernel:44} model {model}")
    return total, total - len(rows)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setting", choices=SETTINGS)
    parser.add_argument("state", nargs="?", choices=list(STATES))
    args = parser.parse_args()
    sums = [
        report(name, state)
        for name, states in load().items()
        for state in states
        if args.setting in (None, name) and args.state in (None, state)
    ]
    print(f"{sum(agree for _, agree in sums)} of {sum(total for total, _ in sums)} cells agree")


if __name__ == "__main__":
    _main()
