from __future__ import annotations

from collections.abc import Iterator

import pytest

from pegbox.executors.base import Executor
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.testing.executor_suite import ExecutorSuite


class TestSubprocessExecutor(ExecutorSuite):
    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        executor = SubprocessExecutor()
        yield executor
        executor.close()


class TestWithoutZygote(ExecutorSuite):
    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        executor = SubprocessExecutor(zygote=False)
        yield executor
        executor.close()

    def another(self, executor: Executor) -> Executor:
        return SubprocessExecutor(zygote=False)
