# SPDX-License-Identifier: Apache-2.0
"""Front end of Weft: from a PyTorch module to `nn` text, weights and token files.

The public names are those in `__all__`; each is imported on first use, so that `import weft` costs nothing and tools that
touch no tensor load no torch.
"""

from importlib import import_module

_HOMES = {
    "Model": "weft.model",
    "UnsupportedOperators": "weft.errors",
    "WeftError": "weft.errors",
    "compare_dumps": "weft.compare",
    "export_model": "weft.export",
    "read_tokens": "weft.data",
    "run_reference": "weft.reference",
    "write_tokens": "weft.data",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f'module "weft" has no name "{name}"')
    return getattr(import_module(_HOMES[name]), name)
