"""Starting and stopping: ``lookalike serve`` beside plain ``serve run`` with the same YAML, in turns.

Both are given an empty data folder. Timed are the command's start to the first 200 of ``/readyz``, and Ctrl-C to the
end of the last process. What the processor did until then says more where other programs run beside.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from benchmarks import service
from benchmarks.report import Report, median

CONFIGS = ("local", "test")
SETTLE_S = 5.0  # before each start
Times = tuple[float, float, float]  # seconds to start, of the processor until then, to stop


def main() -> None:
    options = arguments()
    report = Report("start_stop", "starting and stopping: lookalike serve and plain serve run")
    report.line(f"rounds     {options.rounds}, each with both, in turns; medians, and in brackets each round")
    rows: list[Sequence[object]] = []
    for name in options.configs:
        plain: list[Times] = []
        ours: list[Times] = []
        for number in range(options.rounds):
            pair = {"serve run": plain, "lookalike serve": ours}
            for command in list(pair) if number % 2 == 0 else reversed(pair):
                pair[command].append(measured(command, name))
        for command, times in (("serve run", plain), ("lookalike serve", ours)):
            rows.append((f"{command} configs/{name}.yaml", *(figures(column) for column in zip(*times, strict=True))))
    report.table(("", "ready s", "processor s", "stopped s"), rows)
    report.write()


def measured(command: str, name: str) -> Times:
    """A service that is started and stopped once."""
    with tempfile.TemporaryDirectory(prefix="lookalike-benchmark-") as scratch:
        time.sleep(SETTLE_S)
        port, config = service.free_port(), Path(scratch) / "config.yaml"
        document = yaml.safe_load((service.ROOT / "configs" / f"{name}.yaml").read_text("utf-8"))
        document["http_options"]["port"] = port
        document["applications"][0]["args"]["data_dir"] = str(Path(scratch) / "data")
        config.write_text(yaml.safe_dump(document), "utf-8")
        program, *words = command.split()
        line = [str(Path(sys.executable).with_name(program)), *words, str(config)]
        if program == "serve":
            line.append("--address=local")  # not a cluster that some other program started
        with service.running(line, port, "/readyz", Path(scratch) / "log", timeout_s=300) as running:
            time.sleep(SETTLE_S)
            asked = time.perf_counter()
        return running.start_s, running.start_cpu_s, time.perf_counter() - asked


def figures(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.1f} ({', '.join(f'{one:.1f}' for one in seconds)})"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=CONFIGS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
