# SPDX-License-Identifier: Apache-2.0
"""Negative twins: the text of a scheduled program with one collective left out.

1. Each `dist.start` and its `dist.wait` become the plain collective, where the wait was.
2. One collective is replaced by a local op of the same types, as if each rank were alone: a gather repeats the rank's own part, a
   reduction keeps the rank's own summand, a scatter the first part.

A program without collectives loses a rotary embedding instead.
"""

import re
from dataclasses import dataclass

_COLLECTIVE = re.compile(
    r'^(?P<indent>\s*)(?P<result>%\w+)(?::(?P<count>\d+))? = dist\.(?P<kind>all_gather|all_reduce|reduce_scatter|all_to_all) (?:"\w+" )?'
    r"(?P<operands>%[\w#, %]+?) over (?P<group>.*?) : \((?P<inputs>.*)\) -> \(?(?P<outputs>[^()]*)\)?$"
)
_START = re.compile(r"^\s*(?P<future>%\w+)(?::\d+)? = dist\.start (?P<operands>%[\w#, %]+?) : ")
_WAIT = re.compile(r"^(?P<indent>\s*)(?P<result>%\w+(?::\d+)?) = dist\.wait (?P<future>%\w+)")
_ROTARY = re.compile(r"^(\s*)(%\w+) = nn\.rotary (%[\w#]+), .* -> (tensor<[^>]*>)$")


@dataclass(frozen=True)
class Twin:
    """A mutated program, and what was done to it."""

    what: str
    text: str


def synchronous(text: str) -> str:
    """The program with plain collectives only."""
    lines, made, started, index = text.splitlines(), [], {}, 0
    while index < len(lines):
        line = lines[index]
        if start := _START.match(line):
            # The lines: start, ^bb0, the collective, dist.yield, a closing brace.
            _, body = lines[index + 2].split(" = ", 1)
            operation, rest = body.split(" %", 1)
            started[start["future"]] = f"{operation} {start['operands']} over {rest.split(' over ', 1)[1]}"
            index += 5
            continue
        if wait := _WAIT.match(line):
            line = f"{wait['indent']}{wait['result']} = {started[wait['future']]}"
        made.append(line)
        index += 1
    return "\n".join(made) + "\n"


def kinds_of(text: str) -> list[str]:
    """The kinds of collectives in a program, in order of appearance."""
    return list(dict.fromkeys(found["kind"] for line in text.splitlines() if (found := _COLLECTIVE.match(_bare(line)))))


def drop_collective(text: str, *, kind: str) -> Twin:
    """Leaves out the first collective of a kind."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        found = _COLLECTIVE.match(_bare(line))
        if found and found["kind"] == kind:
            lines[index : index + 1] = _local(found)
            if found["count"]:
                _rename(lines, index, found)
            return Twin(f"line {index + 1}: {line.strip()[:120]}", "\n".join(lines) + "\n")
    raise ValueError(f"the program has no {kind}")


def drop_rotary(text: str) -> Twin:
    """Leaves out the first rotary embedding."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if found := _ROTARY.match(_bare(line)):
            indent, result, operand, kind = found.groups()
            lines[index] = f"{indent}{result} = nn.reshape {operand} : ({kind}) -> {kind}"
            return Twin(f"line {index + 1}: {line.strip()[:120]}", "\n".join(lines) + "\n")
    raise ValueError("the program has no rotary embedding")


def change_number(text: str, *, attribute: str, value: str) -> Twin:
    """Gives an attribute another value wherever it is."""
    changed, count = re.subn(rf"\b{attribute} = [^ ]+ :", f"{attribute} = {value} :", text)
    if not count:
        raise ValueError(f"no op has the attribute {attribute}")
    return Twin(f"{attribute} = {value} in {count} ops", changed)


def _bare(line: str) -> str:
    """A line without its location and attribute dictionary."""
    line = re.sub(r" loc\(.*\)$", "", line)
    return re.sub(r" \{[^{}]*\} :", " :", line)


def _local(found: re.Match[str]) -> list[str]:
    """Local ops that make the same types, one set a result."""
    operands = [operand.strip() for operand in found["operands"].split(",")]
    inputs, outputs = (re.findall(r"tensor<[^>]*>", found[side]) for side in ("inputs", "outputs"))
    lines = []
    for number, (operand, given, made) in enumerate(zip(operands, inputs, outputs, strict=True)):
        result = f"%alone_{found['result'][1:]}_{number}" if found["count"] else found["result"]
        lines += _alone(result, operand, given, made)
    return [found["indent"] + line for line in lines]


def _alone(result: str, operand: str, given: str, made: str) -> list[str]:
    """Cuts and repeats one tensor until it has another shape."""
    old, new, element = _shape(given), _shape(made), given.rsplit("x", 1)[-1].rstrip(">").removeprefix("tensor<")
    cut = [min(a, b) for a, b in zip(old, new, strict=True)]
    lines = []
    if cut != old:
        kind = _type(cut, element)
        ones, zeros = [1] * len(cut), [0] * len(cut)
        lines.append(f"%cut_{result[1:]} = nn.slice {operand} offsets {zeros} sizes {cut} strides {ones} : ({given}) -> {kind}")
        operand, given = f"%cut_{result[1:]}", kind
    dim = next((d for d, (a, b) in enumerate(zip(cut, new, strict=True)) if a != b), None)
    if dim is None:
        return [*lines, f"{result} = nn.reshape {operand} : ({given}) -> {made}"]
    times = new[dim] // cut[dim]
    repeated = ", ".join([operand] * times), ", ".join([given] * times)
    return [*lines, f"{result} = nn.concat {repeated[0]} dim {dim} : ({repeated[1]}) -> {made}"]


def _shape(kind: str) -> list[int]:
    return [int(size) for size in re.findall(r"(\d+)x", kind)]


def _type(shape: list[int], element: str) -> str:
    return f"tensor<{''.join(f'{size}x' for size in shape)}{element}>"


def _rename(lines: list[str], index: int, found: re.Match[str]) -> None:
    """Uses of the results, up to the end of the region: names begin anew in the next."""
    for later in range(index + int(found["count"]), len(lines)):
        if len(lines[later]) - len(lines[later].lstrip()) < len(found["indent"]):
            return
        lines[later] = re.sub(rf"{found['result']}#(\d+)", rf"%alone_{found['result'][1:]}_\1", lines[later])
