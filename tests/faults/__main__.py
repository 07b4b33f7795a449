"""`python -m tests.faults`: kills writers of an index; exit code 1 if a commit was lost or kept only in part."""

import argparse
import json
import sys
import time
from pathlib import Path

from tests.faults.run import run


def main() -> int:
    """Run the harness; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="how many deaths")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, metavar="FILE", help="counts and findings as JSON")
    given = parser.parse_args()
    started = time.monotonic()
    report = run(given.seed, given.count)
    for title, counts in (("killed at", report.deaths), ("power failure:", report.damaged)):
        for name, count in sorted(counts.items()):
            print(f"{title} {name:28}{count:>8,}")
    print(
        f"{sum(report.deaths.values()):,} deaths, {report.power:,} of them with loss of power,"
        f" {report.survived} children ended before; the commit under way was gone after {report.rolled_back:,};"
        f" {time.monotonic() - started:.0f} s, {len(report.broken)} laws broken"
    )
    for line in report.broken:
        print("BROKEN", line)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        body = {name: getattr(report, name) for name in report.__slots__}
        given.out.write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
