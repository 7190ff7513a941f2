"""A function of many rows in chunks, with gradient and without, so that memory is that of one chunk.

The first pass keeps nothing for the gradient. When the gradient of all outputs is known, each chunk is
computed again, now with its graph, and gives its share (Chen et al. 2016, "Training deep nets with
sublinear memory cost", of rows in place of layers). Rows must not know of each other.
"""

from __future__ import annotations

import contextvars
import warnings
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dreamlab.core.memory import out_of_memory

Outputs = tuple[Tensor | None, ...]


def in_chunks(
    job: Callable[..., Outputs], rows: Sequence[Tensor], size: int, parameters: Sequence[Tensor]
) -> Outputs:
    """`job(*rows)` on chunks of `size` rows, its outputs joined.

    A chunk that does not fit into memory is halved, as often as it helps, which a warning says once. Up to
    `size` rows, and where `rows` themselves want gradients, the job is called once and keeps its graph.

    Args:
        job: from tensors of as many rows each to tensors of as many rows, or None; the same call gives the
            same outputs until the gradient has been taken.
        parameters: all tensors other than the rows that gradients may go to.
    """
    n = rows[0].shape[0]
    wanted = torch.is_grad_enabled()
    learned = [p for p in parameters if p.requires_grad] if wanted else []
    if wanted and (n <= size or any(row.requires_grad for row in rows)):
        return _whole(job, rows, learned)
    if not learned:
        return _joined(_each(job, rows, size))
    return _recomputed(job, rows, size, learned)


def _whole(job: Callable[..., Outputs], rows: Sequence[Tensor], learned: list[Tensor]) -> Outputs:
    """All rows at once; in halves where they do not fit."""
    n = rows[0].shape[0]
    try:
        return job(*rows)
    except Exception as error:
        if n < 2 or not out_of_memory(error) or any(row.requires_grad for row in rows):
            raise
    _make_room(n)
    return _recomputed(job, rows, -(-n // 2), learned)


def _recomputed(
    job: Callable[..., Outputs], rows: Sequence[Tensor], size: int, learned: list[Tensor]
) -> Outputs:
    present: list[bool] = []
    outputs = cast(tuple[Tensor, ...], _Chunked.apply(job, rows, size, present, *learned))
    found = iter(outputs)
    return tuple(next(found) if there else None for there in present)


def _each(job: Callable[..., Any], rows: Sequence[Tensor], size: int) -> list[Any]:
    """The job's answers for one chunk after another; a chunk that does not fit is halved, and so are all
    after it."""
    answers, start, n = [], 0, rows[0].shape[0]
    while start < n or not answers:
        end = min(start + size, n)
        try:
            answers.append(job(*(row[start:end] for row in rows)))
            start = end
            continue
        except Exception as error:
            if end - start < 2 or not out_of_memory(error):
                raise
        size = -(-(end - start) // 2)
        _make_room(end - start)
    return answers


def _make_room(rows: int) -> None:
    """Outside of any `except`: a traceback would keep all that the failed attempt had made."""
    warnings.warn(f"{rows} rays did not fit into memory: they are rendered in halves", stacklevel=2)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _joined(parts: Sequence[Outputs]) -> Outputs:
    return tuple(
        None if column[0] is None else torch.cat(cast(list[Tensor], list(column)))
        for column in zip(*parts, strict=True)
    )


class _Chunked(Function):
    """The job in chunks, computed again for the gradient; `present` is told which outputs are not None."""

    @staticmethod
    def forward(
        ctx: Any,
        job: Callable[..., Outputs],
        rows: Sequence[Tensor],
        size: int,
        present: list[bool],
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        outputs = _joined(_each(job, rows, size))
        present.extend(output is not None for output in outputs)
        ctx.job, ctx.rows, ctx.size, ctx.present = job, rows, size, list(present)
        # What was chosen around the first pass holds in the second, which the engine may run in a thread of
        # its own.
        ctx.chosen = contextvars.copy_context()
        ctx.save_for_backward(*parameters)
        return tuple(output for output in outputs if output is not None)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Any, ...]:
        parameters = ctx.saved_tensors
        total: list[Tensor | None] = [None] * len(parameters)

        def share(*chunk: Tensor) -> None:
            rows, slopes = chunk[: len(ctx.rows)], chunk[len(ctx.rows) :]
            with torch.enable_grad():
                outputs = [output for output in ctx.job(*rows) if output is not None]
            pairs = [(o, g) for o, g in zip(outputs, slopes, strict=True) if o.requires_grad]
            if not pairs:  # rays that meet nothing
                return
            found = torch.autograd.grad(
                [o for o, _ in pairs], parameters, [g for _, g in pairs], allow_unused=True
            )
            total[:] = [_sum(known, more) for known, more in zip(total, found, strict=True)]

        ctx.chosen.run(_each, share, (*ctx.rows, *gradients), ctx.size)
        return (None, None, None, None, *total)


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b
