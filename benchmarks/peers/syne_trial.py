"""One trial of the Syne Tune search."""

import argparse

from search import train
from syne_tune import Reporter

parser = argparse.ArgumentParser()
for name in ("eta", "alpha", "min_child_weight"):
    parser.add_argument(f"--{name}", type=float)
parser.add_argument("--max_depth", type=int)
Reporter()(auc=train(vars(parser.parse_known_args()[0])))
