"""`python -m tests.flips`: flips bits of an index; exit code 1 if one changes answers unnoticed."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.flips.run import OUTCOMES, FlipReport, run


def main() -> int:
    """Run the harness; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.flips", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="flips in each kind of file")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, metavar="FILE", help="counts and findings as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rag-flips-") as folder:
        report = run(given.seed, given.count, Path(folder))
    show(report)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        body = {"seed": given.seed, "outcomes": report.outcomes, "broken": report.broken}
        given.out.write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 1 if report.broken else 0


def show(report: FlipReport) -> None:
    print(f"{'':22}" + "".join(f"{name:>10}" for name in (*OUTCOMES, "all")))
    for kind, counts in sorted(report.outcomes.items()):
        cells = [counts.get(name, 0) for name in OUTCOMES]
        print(f"{kind:22}" + "".join(f"{n:>10}" for n in (*cells, sum(cells))))
    sums = [sum(counts.get(name, 0) for counts in report.outcomes.values()) for name in OUTCOMES]
    print(f"{'all':22}" + "".join(f"{n:>10}" for n in (*sums, sum(sums))))
    print(f"{report.crashed} ended the reading process and were found by check")
    print(f"{report.repaired} repaired, {report.refused} refused")
    for line in report.broken:
        print("BROKEN", line)


if __name__ == "__main__":
    sys.exit(main())
