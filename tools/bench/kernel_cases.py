# SPDX-License-Identifier: Apache-2.0
"""The kernels of a training step as single cases: the function Weft compiles, PyTorch's operators for it, and the work it is.

Shapes are those of one of two data-parallel ranks. Letters: b sequences, t positions, d hidden, o outputs, V classes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from sizes import Size

Tensors = dict[str, torch.Tensor]
LR, BETA1, BETA2, EPS, DECAY = 1e-3, 0.9, 0.95, 1e-8, 0.1


@dataclass(frozen=True)
class Case:
    """One kernel. `results` maps names in the body to types; what PyTorch returns is in their order, None where it has no such value."""

    name: str
    kind: str
    make: Callable[[], Tensors]  # the operands
    results: dict[str, tuple[int, ...]]
    body: str
    torch: Callable[[Tensors], tuple[torch.Tensor | None, ...]]
    flops: float = 0.0
    in_place: dict[str, str] = field(default_factory=dict)  # result -> operand whose memory it takes

    def text(self, operands: Tensors) -> str:
        """The function, of the local phase."""
        types = {name: _type(tensor.shape, tensor.dtype) for name, tensor in operands.items()}
        outputs = {name: _type(shape, torch.float32) for name, shape in self.results.items()}
        slots = types | {self.in_place.get(name, name): text for name, text in outputs.items()}
        declared = "".join(f'pipe.slot @{name} : {text} {{kind = "activation", lifetime = "run"}}\n' for name, text in slots.items())
        arguments = ", ".join(f"%{name}: {text} {{pipe.slot = @{name}}}" for name, text in types.items())
        returned = ", ".join(f"{text} {{pipe.slot = @{self.in_place.get(name, name)}}}" for name, text in outputs.items())
        values = ", ".join(f"%{name}" for name in outputs)
        body = self.body.format(**{f"t_{name}": text for name, text in (types | outputs).items()})
        return f"{declared}func.func @kernel({arguments}) -> ({returned}) {{\n{body}\nreturn {values} : {', '.join(outputs.values())}\n}}\n"

    def bytes(self, operands: Tensors) -> int:
        """What is read and written."""
        read = sum(tensor.numel() * tensor.element_size() for tensor in operands.values())
        return read + sum(4 * math.prod(shape) for shape in self.results.values())


def _type(shape: tuple[int, ...], dtype: torch.dtype) -> str:
    element = {torch.float32: "f32", torch.int64: "i64"}[dtype]
    return f"tensor<{''.join(f'{size}x' for size in shape)}{element}>"


def _normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(math.prod(shape)))


# Contractions


def _contraction(name: str, equation: str, x: tuple[int, ...], y: tuple[int, ...], result: tuple[int, ...], how: Callable) -> Case:
    letters = equation.split("->")[0].split(",")
    extents = dict(zip(letters[0] + letters[1], (*x, *y), strict=True))
    return Case(
        name, "contraction", lambda: {"x": _normal(*x), "y": _normal(*y)}, {"z": result},
        f'%z = nn.contract "{equation}" %x, %y : ({{t_x}}, {{t_y}}) -> {{t_z}}', lambda v: (how(v["x"], v["y"]),),
        flops=2.0 * math.prod(extents.values()),
    )  # fmt: skip


def products_of(name: str, inputs: int, outputs: int, *, batch: int, seq: int) -> list[Case]:
    """A linear layer: forward, and the two products of its backward pass."""
    x, w, y = (batch, seq, inputs), (outputs, inputs), (batch, seq, outputs)
    return [
        _contraction(f"{name} forward", "btd,od->bto", x, w, y, F.linear),
        _contraction(f"{name} dX", "bto,od->btd", y, w, x, torch.matmul),
        _contraction(f"{name} dW", "bto,btd->od", y, x, w, lambda dy, x: dy.flatten(0, 1).T @ x.flatten(0, 1)),
    ]


def contractions(size: Size) -> list[Case]:
    kv = size.kv_heads * size.head
    layers = {
        "q_proj": (size.hidden, size.hidden), "kv_proj": (size.hidden, kv), "gate_proj": (size.hidden, size.ffn),
        "down_proj": (size.ffn, size.hidden), "lm_head": (size.hidden, size.vocab),
    }  # fmt: skip
    return [case for name, (i, o) in layers.items() for case in products_of(name, i, o, batch=size.batch // 2, seq=size.seq)]


def largest_product(size: Size) -> Case:
    """The forward product with the most arithmetic: its speed is the arithmetic limit."""
    return max((case for case in contractions(size) if case.name.endswith("forward")), key=lambda case: case.flops)


# Attention


def _sdpa(v: Tensors) -> torch.Tensor:
    return F.scaled_dot_product_attention(v["q"], v["k"], v["v"], is_causal=True, enable_gqa=v["q"].shape[1] != v["k"].shape[1])


def _gradients(output: Callable[[Tensors], torch.Tensor], of: tuple[str, ...], seed: str) -> Callable[[Tensors], tuple]:
    """PyTorch's backward pass alone: the graph is made once."""
    graphs: dict[int, tuple] = {}

    def backward(v: Tensors) -> tuple[torch.Tensor, ...]:
        if id(v) not in graphs:
            leaves = {name: tensor.clone().requires_grad_() for name, tensor in v.items() if name in of}
            graphs[id(v)] = (output({**v, **leaves}), [leaves[name] for name in of])
        result, leaves = graphs[id(v)]
        return torch.autograd.grad(result, leaves, v[seed], retain_graph=True)

    return backward


def attention(size: Size) -> list[Case]:
    b, s, d, h, kv = size.batch // 2, size.seq, size.head, size.heads, size.kv_heads
    q, k, scale = (b, h, s, d), (b, kv, s, d), 1 / math.sqrt(d)
    product = 2.0 * math.prod(q) * s / 2  # causal: half of the scores

    def make() -> Tensors:
        return {"q": _normal(*q), "k": _normal(*k), "v": _normal(*k).flip(0), "p": torch.arange(s)}

    def make_backward() -> Tensors:
        v = make()
        scores = (v["q"] @ v["k"].repeat_interleave(h // kv, 1).transpose(2, 3) * scale).masked_fill(torch.ones(s, s).triu(1).bool(), -torch.inf)
        return {"do": _normal(*q).flip(0), **v, "o": _sdpa(v), "lse": scores.logsumexp(-1)}

    attributes = f"{{{{causal, scale = {scale:.17e} : f64}}}}"
    return [
        Case(
            "attention forward", "attention", make, {"o": q, "lse": q[:3]},
            f"%o, %lse = nn.attention %q, %k, %v, %p, %p {attributes} : ({{t_q}}, {{t_k}}, {{t_v}}, {{t_p}}, {{t_p}}) -> ({{t_o}}, {{t_lse}})",
            lambda v: (_sdpa(v), None), flops=2 * product,
        ),
        Case(
            "attention backward", "attention", make_backward, {"dq": q, "dk": k, "dv": k},
            f"%dq, %dk, %dv = nn.attention_grad %do, %q, %k, %v, %o, %lse, %p, %p {attributes} : "
            "({t_do}, {t_q}, {t_k}, {t_v}, {t_o}, {t_lse}, {t_p}, {t_p}) -> ({t_dq}, {t_dk}, {t_dv})",
            _gradients(_sdpa, ("q", "k", "v"), "do"), flops=5 * product,
        ),
    ]  # fmt: skip


# Rows and the optimizer


def _rms_norm(v: Tensors) -> torch.Tensor:
    return F.rms_norm(v["x"], v["w"].shape, v["w"], 1e-6)


def _rotary(v: Tensors) -> tuple[torch.Tensor]:
    a, b = v["x"].chunk(2, -1)
    return (v["x"] * v["c"] + torch.cat((-b, a), -1) * v["s"],)


def rows(size: Size) -> list[Case]:
    b, t, e, classes = size.batch // 2, size.seq, size.hidden, size.vocab
    x, heads = (b, t, e), (b, size.heads, t, size.head)

    def norm() -> Tensors:
        v = {"x": _normal(*x), "w": _normal(e)}
        return {**v, "dy": _normal(*x).flip(0), "r": (v["x"].square().mean(-1) + 1e-6).rsqrt()}

    def classify() -> Tensors:
        v = {"x": _normal(b, t, classes), "l": torch.randint(0, classes, (b, t), generator=torch.Generator().manual_seed(0))}
        return {**v, "e": v["x"].logsumexp(-1), "one": torch.ones(())}

    def loss(v: Tensors) -> torch.Tensor:
        return F.cross_entropy(v["x"].flatten(0, 1), v["l"].flatten(), reduction="sum")

    def rotate() -> Tensors:
        return {"x": _normal(*heads), "c": _normal(t, size.head), "s": _normal(t, size.head).flip(0)}

    def some(make: Callable[[], Tensors], *names: str) -> Callable[[], Tensors]:
        return lambda: {name: tensor for name, tensor in make().items() if name in names}

    return [
        Case("rms_norm forward", "rows", some(norm, "x", "w"), {"y": x, "rstd": x[:2]},
             "%y, %rstd = nn.rms_norm %x, %w eps 1.0e-06 : ({t_x}, {t_w}) -> ({t_y}, {t_rstd})", lambda v: (_rms_norm(v), None)),
        Case("rms_norm backward", "rows", norm, {"dx": x, "dw": (e,)},
             "%dx, %dw = nn.rms_norm_grad %dy, %x, %w, %r : ({t_dy}, {t_x}, {t_w}, {t_r}) -> ({t_dx}, {t_dw})",
             _gradients(_rms_norm, ("x", "w"), "dy")),
        Case("rotary", "rows", rotate, {"y": heads}, "%y = nn.rotary %x, %c, %s : ({t_x}, {t_c}, {t_s}) -> {t_y}", _rotary),
        Case("swiglu", "elementwise", lambda: {"g": _normal(b, t, size.ffn), "u": _normal(b, t, size.ffn).flip(0)}, {"y": (b, t, size.ffn)},
             "%a = nn.silu %g : {t_g}\n%y = nn.mul %a, %u : {t_u}", lambda v: (F.silu(v["g"]) * v["u"],)),
        Case("cross_entropy forward", "rows", some(classify, "x", "l"), {"sum": (), "lse": (b, t)},
             "%sum, %lse = nn.cross_entropy %x, %l : ({t_x}, {t_l}) -> ({t_sum}, {t_lse})", lambda v: (loss(v), None)),
        Case("cross_entropy backward", "rows", classify, {"dx": (b, t, classes)},
             "%dx = nn.cross_entropy_grad %x, %l, %e, %one : ({t_x}, {t_l}, {t_e}, {t_one}) -> {t_dx}", _gradients(loss, ("x",), "one")),
    ]  # fmt: skip


def _adamw_body() -> str:
    """The first step, as DESIGN's optimizer: moments, bias correction, decoupled decay."""
    constants = {
        "b1": BETA1, "c1": 1 - BETA1, "b2": BETA2, "c2": 1 - BETA2, "rate": LR / (1 - BETA1), "bias": 1 / math.sqrt(1 - BETA2),
        "eps": EPS, "keep": 1 - LR * DECAY,
    }  # fmt: skip
    lines = [f"%{name} = nn.constant dense<{value:.17e}> : {{t_p}}" for name, value in constants.items()]
    steps = ["m0 mul m b1", "m1 mul g c1", "mm add m0 m1", "v0 mul v b2", "g2 mul g g", "v1 mul g2 c2", "vv add v0 v1"]
    steps += ["root sqrt vv", "r1 mul root bias", "r2 add r1 eps", "u0 mul mm rate", "u1 div u0 r2", "kept mul p keep", "pp sub kept u1"]
    for step in steps:
        result, op, *operands = step.split()
        lines.append(f"%{result} = nn.{op} {', '.join(f'%{operand}' for operand in operands)} : {{t_p}}")
    return "\n".join(lines)


def adamw(size: Size) -> Case:
    """The optimizer on one matrix of the feed-forward part."""
    shape = (size.ffn, size.hidden)
    optimizers: dict[int, torch.optim.Optimizer] = {}

    def step(v: Tensors) -> tuple[torch.Tensor | None, ...]:
        if id(v) not in optimizers:
            v["p"].grad = v["g"]
            optimizers[id(v)] = torch.optim.AdamW([v["p"]], lr=LR, betas=(BETA1, BETA2), eps=EPS, weight_decay=DECAY, foreach=True)
        optimizers[id(v)].step()
        return v["p"], None, None

    def make() -> Tensors:
        return {"p": _normal(*shape), "g": _normal(*shape).flip(0), "m": torch.zeros(shape), "v": torch.zeros(shape)}

    results = {"pp": shape, "mm": shape, "vv": shape}
    return Case("adamw", "elementwise", make, results, _adamw_body(), step, in_place={"pp": "p", "mm": "m", "vv": "v"})


def all_cases(size: Size) -> list[Case]:
    return [*contractions(size), *attention(size), *rows(size), adamw(size)]
