"""`python -m tests.fuzz`: reads real PDFs damaged in many ways; exit code 1 if a law is broken."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from eval.dataset import SAMPLES
from tests.fuzz.mutate import MUTATIONS
from tests.fuzz.run import FuzzReport, fuzz_options, make_case, run
from tests.support.parsing import CHARACTERS

FOLDERS = ("statutes", "agency", "safety_guides", "misc")


def main() -> int:
    """Run the fuzzer; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="how many damaged files")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", type=int, metavar="I", nargs="+", help="these files of the seed, saved")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--shared", type=Path, default=os.environ.get("RAG_SHARED"), help="shared data folder"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="counts and findings as JSON")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where findings are saved")
    given = parser.parse_args()
    sources = find_sources(given.shared)
    print(f"{len(sources)} files to damage, seed {given.seed}", file=sys.stderr)
    for index in given.only or ():
        case = make_case(sources, given.seed, index)
        given.keep.mkdir(parents=True, exist_ok=True)
        path = given.keep / f"{given.seed}-{index}.pdf"
        path.write_bytes(case.data)
        print(f"{path}: {case.source.name}, {case.mutation}")
    with tempfile.TemporaryDirectory(prefix="rag-fuzz-") as folder:
        options = fuzz_options(CHARACTERS, given.workers)
        report = run(sources, given.seed, given.only or range(given.count), options, Path(folder), given.keep)
    if given.out is not None:
        report.save(given.out)
    show(report)
    return 1 if report.broken else 0


def find_sources(shared: Path | None) -> list[Path]:
    """The real PDFs of the shared folder; without that folder, the project's own samples."""
    folder = Path(shared or "") / "data" / "pdf"
    found = sorted(p for name in FOLDERS for p in (folder / name).rglob("*") if p.suffix.lower() == ".pdf")
    return found or sorted(SAMPLES.glob("*.pdf"))


def show(report: FuzzReport) -> None:
    codes = sorted({code for row in report.outcomes.values() for code in row}, key=lambda c: (c != "read", c))
    print_row("", codes, "all")
    for name in MUTATIONS:
        row = report.outcomes.get(name, {})
        print_row(name, [row.get(code, "") for code in codes], sum(row.values()))
    sums = [sum(row[code] for row in report.outcomes.values()) for code in codes]
    print_row("all", sums, sum(sums))
    print(
        f"{report.seconds:.0f} s, {len(report.broken)} laws broken, {len(report.garbled)} files garbled unnoticed"
    )
    for title, found in (("BROKEN", report.broken), ("garbled", report.garbled)):
        for item in found:
            print(
                f"{title} --seed {report.seed} --only {item.index}: {item.source}, {item.mutation}: {item.what}"
            )


def print_row(name: str, cells: Sequence[object], total: object) -> None:
    print(f"{name:22}" + "".join(f"{cell!s:>10}" for cell in cells) + f"{total!s:>8}")


if __name__ == "__main__":
    sys.exit(main())
