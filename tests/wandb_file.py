"""A reader of W&B's offline files: records of `wandb_internal_pb2` in LevelDB's log format.

W&B has none. A file is 7 bytes of header, then blocks of 32 KiB of chunks: CRC (4 bytes), length
(2), type (1: whole record, 2: first part, 3: middle, 4: last), data. A killed run's file may end in
the middle of a chunk.
"""

import json
import struct
import time

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, HEADER, START = 32768, 7, 7
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(file):
    data, position, parts = file.read_bytes(), START, b""
    while position + HEADER <= len(data):
        if BLOCK - position % BLOCK < HEADER:  # the rest of a block is padding
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        chunk = data[position + HEADER : position + HEADER + length]
        if kind not in (WHOLE, FIRST, MIDDLE, LAST) or len(chunk) < length:
            return
        parts = chunk if kind in (WHOLE, FIRST) else parts + chunk
        if kind in (WHOLE, LAST):
            record = Record()
            record.ParseFromString(parts)
            yield record
        position += HEADER + length


def read(file):
    """id, config, history: a list of rows, artifacts: names, exit code or None."""
    found = {"id": None, "config": {}, "history": [], "artifacts": [], "exit": None}
    for record in records(file):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found["id"] = record.run.run_id
            found["config"] |= pairs(record.run.config.update)
        elif kind == "history":
            found["history"].append(pairs(record.history.item))
        elif kind == "artifact":
            found["artifacts"].append(record.artifact)
        elif kind == "exit":
            found["exit"] = record.exit.exit_code
    return found


def wait(file, ready, seconds=30):
    """`read` once `ready` is true of it: W&B writes in a process of its own."""
    for _ in range(10 * seconds):
        if file.is_file() and ready(found := read(file)):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{file} did not become ready: {found}")


def pairs(items):
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}
