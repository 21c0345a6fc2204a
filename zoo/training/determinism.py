"""What a backend needs to give the same bits again; imports none, for it is asked before."""

from __future__ import annotations

import os

#: XLA's kernels on a GPU add up atomically, in any order, unless told otherwise.
XLA_FLAG = "--xla_gpu_deterministic_ops=true"


def prepare(deterministic: bool) -> None:
    """Set what a backend reads when it starts. Call it before Keras is imported.

    On a CPU nothing is needed. TensorFlow's `enable_op_determinism` is not used: it switches XLA
    off without a word, and on a GPU the whole update is compiled by XLA.
    """
    if not deterministic:
        return
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_gpu_deterministic_ops" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {XLA_FLAG}".strip()
