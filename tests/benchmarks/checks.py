"""How long the checks take: of each exercise, a right answer on the real model. Run it on a quiet machine.

uv run python tests/benchmarks/checks.py
"""

import time

from emovec_lite import load_model
from emovec_lite.course.checking import assess
from emovec_lite.course.exercise import exercises


def main() -> None:
    subject = load_model()
    print(f"{'exercise':<50}{'seconds':>8}")
    for number, task in exercises().items():
        assess(number, task.right[0], subject)  # once before: the small models are made, the files read
        started = time.perf_counter()
        outcome = assess(number, task.right[0], subject)
        seconds = time.perf_counter() - started
        assert outcome.status == "passed", outcome
        print(f"{number + ' ' + task.title:<50}{seconds:>8.2f}")


if __name__ == "__main__":
    main()
