"""A published ONNX file with one input and the output that is wanted, checked before and after it runs.

Names are read from the graph: the same model is published with other names by other exporters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


class BrokenModelError(RuntimeError):
    """A model's file or output is not what is published under its name; the message says how."""


class OnnxModel:
    """A network that maps ``[N, *row]`` to ``[N, width]``, on a GPU if onnxruntime has one.

    Args:
        path: the ONNX file.
        row: shape of one input without the batch axis.
        width: length of one output.
        output: name of the output, up to a ``:0`` behind it, if several have that width.
        device: ``cpu`` for the processor whatever there is.

    Raises:
        BrokenModelError: the file is no ONNX model, or of other shapes.
    """

    def __init__(
        self,
        path: Path,
        row: tuple[int, ...],
        width: int,
        output: str | None = None,
        device: str = "auto",
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # The platform starts a worker per core; more threads in each would stand in each other's way.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        available = onnxruntime.get_available_providers()
        providers = [name for name in PROVIDERS[device == "cpu" :] if name in available]
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime has an exception for each status, none of them public
            raise BrokenModelError(
                f"{path}: found no model that onnxruntime can load ({_first_line(error)}); wanted the "
                "published ONNX file: remove this one, and it is downloaded again"
            ) from error
        self.path = path
        self.row = row
        self.width = width
        self.input = self._choose("input", self._session.get_inputs(), row, None)
        self.output = self._choose("output", self._session.get_outputs(), (width,), output)

    def batches(self, rows: Float32, size: int) -> Iterator[Float32]:
        """Outputs ``[m, width]`` of consecutive batches of `size` rows, the last one smaller.

        Raises:
            BrokenModelError: an output has another shape than the graph says, or is NaN or infinite.
        """
        for start in range(0, len(rows), size):
            yield self(rows[start : start + size])

    def __call__(self, batch: Float32) -> Float32:
        """Outputs ``[N, width]`` of ``[N, *row]``; raises as `batches` does."""
        inputs = {self.input: np.ascontiguousarray(batch, dtype=np.float32)}
        found: Float32 = self._session.run([self.output], inputs)[0]
        if found.shape != (len(batch), self.width):
            raise BrokenModelError(
                f"{self.path}: {self.output} has the shape {list(found.shape)}; wanted "
                f"{[len(batch), self.width]}"
            )
        if not np.isfinite(found).all():
            count = len(found) - int(np.isfinite(found).all(axis=1).sum())
            raise BrokenModelError(
                f"{self.path}: {self.output} is NaN or infinite for {count} of {len(found)} patches"
            )
        return found

    def _choose(self, kind: str, nodes: Sequence[Any], row: tuple[int, ...], name: str | None) -> str:
        """The name of the node with rows of this shape and any number of them."""
        fitting = [node.name for node in nodes if _is_batch_of(row, node.shape)]
        named = [found for found in fitting if name and found.removesuffix(":0") == name]
        chosen = named or fitting
        if len(chosen) != 1 or (kind == "input" and len(nodes) != 1):
            found = ", ".join(f"{node.name} {node.shape}" for node in nodes)
            raise BrokenModelError(
                f"{self.path}: found the {kind}s {found}; wanted one {kind} of shape "
                f"[N, {', '.join(map(str, row))}] with any N{f', named {name}' if name else ''}"
            )
        return str(chosen[0])


def _is_batch_of(row: tuple[int, ...], shape: Sequence[Any]) -> bool:
    """Whether a shape is a batch axis and `row`; an axis without a fixed length is a name or None."""
    batch, *found = shape or [1]
    if isinstance(batch, int) or len(found) != len(row):
        return False
    return all(a == b or not isinstance(a, int) for a, b in zip(found, row, strict=True))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
