"""Measurements for people to read: a table, a sentence, bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.console import plain_console, table
from zoo.report.charts import ranked


def print_data(found: Mapping[str, Any]) -> None:
    """The stages of the input pipeline beside each other, and which of data and model limits."""
    pipeline = found["pipeline"]
    rows = [
        (stage, *(_number(p["stages"].get(stage, {}).get("cpu_ms")) for p in pipeline.values()))
        for stage in stages(found)
    ]
    console = plain_console(highlight=False)
    console.print("CPU milliseconds an image, one thread", style="italic")
    console.print(table(["stage", *pipeline], rows))
    facts = {
        "decoded for each": "decoded_per_image",
        "images/CPU-s": "images_per_cpu_second",
        "images/s": "images_per_second",
    }
    rows = [(name, *(_number(p[key]) for p in pipeline.values())) for name, key in facts.items()]
    for threads in found["loader"]["RAM"]:
        rates = [found["loader"].get(kind, {}).get(threads) for kind in pipeline]
        rows.append((f"loader, images/s, threads: {threads}", *map(_number, rates)))
    console.print(table(["", *pipeline], rows))
    console.print(found["verdict"], soft_wrap=True)


def print_model(found: Mapping[str, Any], name: str) -> None:
    """Latencies, throughput, memory and cold start of a detector."""
    keys = ("median", "p95", "least", "most")
    rows = [
        (what, *(_number(found[key][column]) for column in keys))
        for what, key in {"network to boxes": "latency", "pixels to boxes": "whole"}.items()
    ]
    console = plain_console(highlight=False)
    console.print(f"{name}: milliseconds of one image", style="italic", soft_wrap=True)
    console.print(table(["", *keys], rows))
    for number, rate in found["throughput"].items():
        note = ", the only size of this file" if found["fixed_batch"] else ""
        console.print(f"batches of {number}: {rate:.1f} images/s{note}")
    cold = found["cold_start"]
    console.print(
        f"cold start: {cold['seconds']:.2f} s from import to the first detection, at most "
        f"{cold['peak_rss_mib']:.0f} MiB",
        soft_wrap=True,
    )


def stages(found: Mapping[str, Any]) -> list[str]:
    """The stages of all kinds, each once, in the order in which they were met."""
    return list(dict.fromkeys(name for p in found["pipeline"].values() for name in p["stages"]))


def picture(found: Mapping[str, Any]) -> str:
    """An SVG with the CPU time of an image by stage, streaming, or with images/s by batch size."""
    if "pipeline" in found:
        cpu = {k: s["cpu_ms"] for k, s in found["pipeline"]["streaming"]["stages"].items()}
        return ranked(cpu, x="CPU ms an image, streaming")
    rates = {f"batch {number}": rate for number, rate in found["throughput"].items()}
    return ranked(rates, x="images/s")


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
