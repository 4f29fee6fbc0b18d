# SPDX-License-Identifier: Apache-2.0
"""The command line that all peers share; it imports no framework, since each peer has its own environment."""

import argparse
from pathlib import Path


def peer_parser(description: str | None, modes: tuple[str, ...]) -> argparse.ArgumentParser:
    """What a peer is told: the model, its data, how it is parallel, and where the steps' times go."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--batch", type=int, required=True, help="sequences of a step, over all ranks")
    parser.add_argument("--seq", type=int, required=True)
    parser.add_argument("--mode", choices=modes, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    return parser
