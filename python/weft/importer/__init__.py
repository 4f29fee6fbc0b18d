# SPDX-License-Identifier: Apache-2.0
"""Translates a torch.export graph (before decomposition) to `nn` ops.

A table maps operator names to functions, one module per op family. The walk:
1. Finds the nodes that the outputs depend on; the others (assertions, masks nobody reads) are not looked at.
2. Calls the table's function for each, at the location of the model's source line. Regions that only switch gradients or autocast
   off are walked in place.
3. An operator that the table lacks is taken apart by PyTorch's own composition of it (`decompose`), and that is walked in its place.
4. A node without a translation is noted and gets a placeholder, so that all such nodes are reported at once.

To add an operator: write its function into the module of its family and its name into that module's TABLE.
"""

from weft.importer import activation, attention, contract, elementwise, index, loss, norm, shape
from weft.importer.call import Handler

TABLE: dict[str, Handler] = {}
for _family in (elementwise, activation, shape, contract, norm, attention, index, loss):
    assert not TABLE.keys() & _family.TABLE.keys(), TABLE.keys() & _family.TABLE.keys()
    TABLE |= _family.TABLE
