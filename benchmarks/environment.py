"""Where a benchmark ran."""

import os

from zoo.training import environment as machine


def environment(*packages):
    """CPU, cores, memory, Python, the load when asked, and the versions of these packages."""
    all_of_it = machine.environment()
    # A package may call itself tensorflow_cpu.
    known = {name.replace("_", "-"): value for name, value in all_of_it["packages"].items()}
    versions = {name: known.get(name, "absent") for name in packages}
    load = {"load": os.getloadavg()[0]}
    return {**all_of_it["hardware"], "python": all_of_it["python"], **load, **versions}
