# SPDX-License-Identifier: Apache-2.0
"""The command `weft-export`: a model folder from a Hugging Face configuration or from a function of the user's."""

import argparse
import sys
from pathlib import Path

from weft.errors import WeftError, run_command


def parser() -> argparse.ArgumentParser:
    """The command line of weft-export."""
    found = argparse.ArgumentParser(prog="weft-export", description="Exports a model as nn text and safetensors weights.")
    source = found.add_mutually_exclusive_group(required=True)
    source.add_argument("--hf", metavar="CONFIG", help="a transformers configuration: a JSON file, or a folder with config.json")
    source.add_argument("--module", metavar="PKG.MOD:FUNCTION", help="a function that returns (module, example batch, loss function)")
    found.add_argument("--weights", metavar="DIR", help="with --hf: a folder of safetensors; none: shapes and init descriptions only")
    found.add_argument("--seed", type=int, help="with --hf: the model's own initialisation under this seed (default: 0)")
    found.add_argument("--batch", type=int, help="with --hf: sequences of a microbatch, over all ranks")
    found.add_argument("--seq", type=int, help="with --hf: tokens of a sequence")
    found.add_argument("-o", "--output", metavar="DIR", required=True, help="the model folder to write")
    return found


def main() -> int:
    """Runs weft-export; the return value is the exit code."""
    arguments = parser().parse_args()
    return run_command(lambda: _export(arguments), output=arguments.output)


def _export(arguments: argparse.Namespace) -> None:
    given = [name for name in ("weights", "seed", "batch", "seq") if getattr(arguments, name) is not None]
    if arguments.module and given:
        raise WeftError(f'"--{given[0]}" goes with "--hf" only')
    if arguments.weights is not None and arguments.seed is not None:
        raise WeftError('"--weights" and "--seed" exclude each other')
    for name in ("batch", "seq"):
        value = getattr(arguments, name)
        if arguments.hf and (value is None or value < 1):
            raise WeftError(f'"--hf" needs a positive "--{name}": got {value}')
    from weft.export import export_model
    from weft.model import from_function

    if arguments.module:
        export_model(from_function(arguments.module), arguments.output)
        return
    from weft.hf import Weights, load_config, make_model

    config = load_config(arguments.hf)
    if arguments.weights == "none":
        weights = Weights(seed=None)
    elif arguments.weights is not None:
        weights = Weights(directory=Path(arguments.weights))
    else:
        weights = Weights(seed=arguments.seed or 0)
    export_model(make_model(config, weights, batch=arguments.batch, seq=arguments.seq), arguments.output)


if __name__ == "__main__":
    sys.exit(main())
