"""The executor of this machine does what every executor must do, with a zygote and without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pegbox.executors.base import Executor
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.testing.executor_suite import ExecutorSuite, StartSuite


class TestSubprocessExecutor(ExecutorSuite):
    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        executor = SubprocessExecutor()
        yield executor
        executor.close()


class TestWithoutZygote(StartSuite):
    """Only the start differs: from then on the same runner runs programs."""

    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        executor = SubprocessExecutor(zygote=False)
        yield executor
        executor.close()

    def another(self, executor: Executor) -> Executor:
        return SubprocessExecutor(zygote=False)
