"""One sweep at work: what is done, what is missing, what failed."""

import time
from collections import defaultdict
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from pathlib import Path

from medseg_lab.sweeps.board import Lines
from medseg_lab.sweeps.drive import TURN, drive
from medseg_lab.sweeps.failures import Failure, forget_failure, record_failure
from medseg_lab.sweeps.jobs import Job, Look, Outcome, Place, Training
from medseg_lab.sweeps.look import look_at
from medseg_lab.sweeps.plan import Plan
from medseg_lab.sweeps.summary import Summary


class Work:
    """One sweep at work."""

    def __init__(self, plan: Plan, root: Path, board: Lines) -> None:
        self.plan, self.root, self.board = plan, root, board
        self.looks: dict[str, Look] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.failures: dict[str, Failure] = {}
        self.left_out = list(plan.left_out)

    def look(self, place: Place, executor: Executor) -> None:
        """See which trainings are done: each cohort is loaded once, by a worker, where training will be."""
        cohorts: dict[object, list[Training]] = defaultdict(list)
        for job in self.plan.trainings:
            cohorts[job.cohort].append(job)
        futures: list[Future[list[Look]]] = [
            executor.submit(look_at, tuple(jobs), place) for jobs in cohorts.values()
        ]
        try:
            _all_done(futures)
        except ValueError as error:
            raise ValueError(f"{self.plan.path}: {error}") from error
        except (BrokenExecutor, CancelledError) as error:
            raise RuntimeError(f"{self.plan.path}: the worker that looked at the data was lost") from error
        except RuntimeError:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise RuntimeError(f"{self.plan.path}: looking at the data, a worker met {said}") from error
        for future in futures:
            self.looks |= {look.job: look for look in future.result()}
        for job in self.plan.trainings:
            look = self.looks[job.id]
            if look.unfit:
                self.left_out.append((job.title, look.unfit))
            elif look.done:
                self.outcomes[job.id] = Outcome(job.id, look.key, replayed=True)
                forget_failure(self.root, job.id)
        self.board.tally.total = len(self.plan.jobs) - sum(bool(look.unfit) for look in self.looks.values())
        self.board.tally.before = len(self.outcomes)
        if self.outcomes:
            number = len(self.outcomes)
            self.board.say(f"{number} of them {'is' if number == 1 else 'are'} there already")

    @property
    def missing(self) -> list[Job]:
        """What is to be done."""
        settled = {job for job, look in self.looks.items() if look.unfit} | self.outcomes.keys()
        return [job for job in self.plan.jobs if job.id not in settled]

    def do(self, place: Place, executor: Executor) -> None:
        """Hand out what is missing."""
        self.board.tally.began = time.monotonic()
        for job, outcome in drive(self.missing, self.looks, place, executor):
            if outcome.traceback:
                self.failures[job.id] = record_failure(self.root, job, outcome)
            else:
                self.outcomes[job.id] = outcome
                forget_failure(self.root, job.id)
            self.board.ended(job, outcome)

    def stood(self, running: list[str], endless: bool) -> str:
        """What to say when someone has stopped the sweep."""
        open_ = [job.id for job in self.missing if job.id not in self.failures]
        cut = [job for job in open_ if job in running]
        what = "left running on the cluster" if endless else "interrupted"
        return (
            f"stopped: {len(self.outcomes)} done, {len(self.failures)} failed, {len(cut)} {what}, "
            f"{len(open_) - len(cut)} not started. The same command goes on from here."
        )

    def summary(self, seconds: float) -> Summary:
        """What became of it."""
        waiting = tuple(job.title for job in self.missing if job.id not in self.failures)
        return Summary(
            grid=self.plan.path,
            store=self.root,
            total=self.board.tally.total,
            outcomes=tuple(self.outcomes.values()),
            failures=tuple(self.failures.values()),
            left_out=tuple(self.left_out),
            seconds=seconds,
            waiting=waiting,
        )


def _all_done(futures: list[Future[list[Look]]]) -> None:
    """Wait in short turns, so that Ctrl-C is seen; the first failure ends the wait."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=TURN, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
