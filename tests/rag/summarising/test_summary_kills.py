"""A job that is killed again and again ends with every summary, and generates no finished window twice.

The same against a real server: tests/server/test_summaries.py.
"""

import sys

from tests.summary_kills import kill_and_go_on, most_in_flight, write_reports
from tests.support.processes.summary_job import CONCURRENCY


def test_a_killed_job_repeats_nothing_that_was_kept_and_ends(tmp_path):
    index, out, log = tmp_path / "index", tmp_path / "요약", tmp_path / "log"
    write_reports(index, 40)
    command = [sys.executable, "-m", "tests.support.processes.summary_job", str(index), str(out), str(log)]
    went = kill_and_go_on(command, index, out, log, 3, most_in_flight(CONCURRENCY))
    assert went.reports == 40 and went.begun > 40
