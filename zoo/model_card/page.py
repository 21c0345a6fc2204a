"""The card as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: A measured row has all of these, a claim as many as its authors give.
SCORES = ("AP", "AP50", "AP75")


def page(card: Mapping[str, Any]) -> str:
    """Markdown of what `facts` gives; the same facts give the same text."""
    parts = [
        f"# {card['preset']}\n\n{card['description']}.",
        _table(("fact", "value"), _summary(card)),
        "## Claimed by others\n\n" + _claims(card["claimed"]),
        "## Measured by this project\n\n" + _measured(card),
        "## Latency\n\n" + _latency(card["latency"]),
        "## Limits\n\n" + "\n".join(f"- {limit.strip()}" for limit in card["limits"]),
        "## Commands\n\n" + _commands(card),
        f"## Classes\n\n{', '.join(card['classes'])}.",
    ]
    made = f"<!-- made by: {card['commands']['this card']} -->"
    return made + "\n\n" + "\n\n".join(parts) + "\n"


def _summary(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    made, cost, before = card["architecture"], card["cost"], card["preprocessing"]
    weights, trained = card["weights"], card["training"]
    size = _size(cost["image_size"])
    return [
        ("model", f"`{made['model']}`: backbone `{made['backbone']}`, neck `{made['neck']}`, "
                  f"head `{made['head']}` at {', '.join(made['levels'])}, "
                  f"{made['anchors']} anchors, NMS `{made['nms']}`"),
        ("convolutions", str(made["convolutions"])),
        ("parameters", f"{cost['parameters']:,}"),
        ("FLOPs", f"{cost['flops'] / 1e9:.3f} × 10⁹ at {size}, as Darknet counts them"),
        ("classes", str(len(card["classes"]))),
        ("input", f"{_size(before['image_size'])} pixels (multiples of {before['multiples_of']}), "
                  f"{before['resize']}, {before['colour']}, {before['values']}"),
        ("trained on", f"{trained['dataset']}, split {trained['split']}"),
        ("licence", card["licence"].strip()),
        ("weights", f"<{weights['url']}>, {weights['size']:,} bytes, SHA-256 "
                    f"`{weights['sha256']}`"),
    ]  # fmt: skip


def _claims(claims: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(claims, str):
        return f"No claims: {claims.strip()}."
    rows = [
        (
            str(claim["split"]),
            str(claim["image_size"]),
            *(f"{claim[key]:.1f}" if key in claim else "–" for key in SCORES),
            "yes" if claim["clean"] else "**no**",
            claim["source"],
        )
        for claim in claims
    ]
    head = ("split", "input", *(f"{key}, %" for key in SCORES), "clean", "source")
    return _table(head, rows)


def _measured(card: Mapping[str, Any]) -> str:
    found = card["measured"]
    if isinstance(found, str):
        return f"Not measured: {found.strip()}."
    head = ("rules", "input", *(f"{key}, %" for key in SCORES), "Darknet's mAP@0.50, %",
            "clean", "manifest")  # fmt: skip
    rows = [
        (
            row["rules"],
            _size(row["evidence"]["image_size"]),
            *(f"{100 * row[key]:.2f}" for key in (*SCORES, "darknet_mAP")),
            "yes" if row["clean"] else "**no**",
            f"`{row['file']}`, SHA-256 `{row['sha256'][:12]}…`",
        )
        for row in found
    ]
    said = dict.fromkeys(_where(row["evidence"]) for row in found)
    warnings = dict.fromkeys(f"> {row['evidence']['warning']}" for row in found if not row["clean"])
    return "\n\n".join([_table(head, rows), *said, *warnings])


def _where(evidence: Mapping[str, Any]) -> str:
    data, here = evidence["data"], evidence["environment"]
    packages = ", ".join(f"{name} {version}" for name, version in here["packages"].items())
    return (
        f"On {data['images']:,} images with {data['objects']:,} objects "
        f"(data `{data['config']['name']}`, split {evidence['split']}, fingerprint "
        f"`{data['fingerprint'][:12]}…`), by {evidence['backend']} on {here['hardware']['cpu']}, "
        f"Python {here['python']}, {packages}."
    )


def _latency(found: Any) -> str:
    if isinstance(found, str):
        return f"Not measured: {found.strip()}."
    head = ("device", "cores", "backend", "input", "median, ms", "least, ms", "most, ms", "rounds")
    rows = [
        (
            row["device"], str(row["cores"]), row["backend"], _size(row["image_size"]),
            *(f"{row['milliseconds'][key]:.1f}" for key in ("median", "least", "most")),
            str(row["rounds"]),
        )
        for row in found
    ]  # fmt: skip
    return _table(head, rows) + "\n\nOne image: network, decoding and NMS."


def _commands(card: Mapping[str, Any]) -> str:
    lines = [f"# {what}\n{command}" for what, command in card["commands"].items()]
    if not isinstance(card["measured"], str):
        lines += [
            f"# measured, {row['rules']}\n{' '.join(row['evidence']['command'])}"
            for row in card["measured"]
        ]
    return "```\n" + "\n".join(lines) + "\n```"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _size(sides: Sequence[int]) -> str:
    return "×".join(map(str, sides))
