"""How many log lines a second go through: the parser alone, and a real job through the executor.

    python benchmarks/metric_throughput.py [--lines 1000000] [--definitions 20]

The lines are 120 bytes long.  `sparse`: one line in 50 has values, as in a verbose job; `dense`: every line has some,
on average 4.5.  `parser alone` counts processor time, `whole job` the wall clock, printing included.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from pegbox.executors.base import Attempt, Phase, Program
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.runner.lines import LineBlocks
from pegbox.runner.parse import MetricParser

NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
DEFINITIONS = [
    "GAN_loss=(.*?);",
    "disc-combined=(.*?);",
    "disc_train_loss=(.*?);",
    "Loss = (.*?);",
    *(
        rf".*\[[0-9]+\].*#011{name}:{NUMBER}.*"
        for name in ("train-auc", "validation-auc", "train-error", "validation-error")
    ),
    "validation_accuracy=([0-9\\.]+)",
    "val_loss: ([0-9\\.]+)",
    "accuracy: ([0-9\\.]+)",
    "loss: ([0-9\\.]+)",
    "#quality_metric: host=\\S+, train binary_classification_cross_entropy <loss>=(\\S+)",
    "Epoch\\s+(\\d+)",
    "lr=([0-9.e-]+)",
    "'eval_loss': (\\S+),",
    "'eval_f1': (\\S+),",
    "throughput=(\\S+) samples/s",
    "test_(?:acc|accuracy)\\s*[:=]\\s*([0-9.]+)",
    "^perplexity\\s+([0-9.]+)$",
]
HITS = [
    "GAN_loss={0:.6f};  Scaled_reg=2.654134; disc-combined=0.000000; disc_train_loss={1:.6f};  Loss = {2:.6f};",
    "[12]#011train-auc:{0:.5f}#011validation-auc:{1:.5f}#011train-error:{2:.5f}#011validation-error:{3:.5f}",
    "Epoch 7 loss: {0:.4f} accuracy: {1:.4f} val_loss: {2:.4f} lr=0.001",
    "{{'eval_loss': {0:.4f}, 'eval_f1': {1:.4f}, }} throughput={2:.1f} samples/s test_acc: {3:.3f}",
]
NOISE = "2024-01-01 12:00:00 INFO worker 3 step={0:.6f} reading s3://bucket/part-00017 took {1:.3f} s, queue {2:.2f}"

PRINTER = """
import sys
block = open(sys.argv[1], "rb").read()
lines = block.count(b"\\n")
left = int(sys.argv[2])
while left >= lines:
    sys.stdout.buffer.write(block)
    left -= lines
sys.stdout.buffer.writelines(block.splitlines(keepends=True)[:left])
"""


def corpus(share: float, count: int) -> bytes:
    """`count` lines of 120 bytes, `share` of which have values."""
    source = random.Random(1)
    lines = []
    for _ in range(count):
        shape = source.choice(HITS) if source.random() < share else NOISE
        lines.append(shape.format(*(source.random() for _ in range(4))).ljust(119)[:119])
    return "\n".join(lines).encode() + b"\n"


def parser_alone(text: bytes, definitions: list[str]) -> None:
    parser, lines = MetricParser(dict(enumerate(definitions))), LineBlocks()
    values, start = 0, time.process_time()
    for offset in range(0, len(text), 1 << 16):
        for block in lines.feed(text[offset : offset + (1 << 16)]):
            values += len(parser.feed(block))
    seconds = time.process_time() - start
    count = text.count(b"\n")
    print(f"  parser alone   {count / seconds:10,.0f} lines/s   {values} values in {count} lines")


def through_the_executor(text: bytes, definitions: list[str], lines: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        sample = Path(place, "sample")
        sample.write_bytes(text)
        attempt = Attempt(
            id="benchmark-1",
            directory=Path(place, "attempt"),
            job_name="benchmark",
            job_arn="arn:aws:sagemaker:us-east-1:123456789012:training-job/benchmark",
            region="us-east-1",
            program=Program(argv=(sys.executable, "-c", PRINTER, str(sample), str(lines))),
            hyperparameters={},
            environment={},
            channels={},
            metrics=[{"Name": f"m{index}", "Regex": text} for index, text in enumerate(definitions)],
            instance_count=1,
            instance_type="ml.m5.large",
            checkpoint_path=None,
            max_runtime=None,
        )
        executor = SubprocessExecutor(zygote=False)
        executor.start(attempt)
        while not (attempt.directory / "exit.json").exists():
            time.sleep(0.02)
        values, cursor, phase = 0, 0, Phase.RUNNING
        while phase is not Phase.EXITED:
            seen = executor.observe(attempt.directory, cursor)
            values, cursor, phase = values + len(seen.points), seen.cursor, seen.phase
        executor.close()
        log = (attempt.directory / "algo-1.log").read_bytes()
    if seen.exit is None:
        raise SystemExit("no exit record")
    wall = seen.exit.ended - seen.exit.started
    print(f"  whole job      {lines / wall:10,.0f} lines/s   {values} values in {lines} lines, {wall:.2f} s")
    if log.count(b"\n") != lines:
        raise SystemExit("lines were lost")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--lines", type=int, default=1_000_000)
    options.add_argument("--definitions", type=int, default=20)
    chosen = options.parse_args()
    for name, share in {"silent": 0.0, "sparse": 0.02, "dense": 1.0}.items():
        print(name)
        text = corpus(share, min(chosen.lines, 50_000))
        parser_alone(text, DEFINITIONS[: chosen.definitions])
        through_the_executor(text, DEFINITIONS[: chosen.definitions], chosen.lines)


if __name__ == "__main__":
    main()
