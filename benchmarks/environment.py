"""Where a benchmark ran."""

import os

from zoo.training import environment as machine


def environment(*packages):
    """CPU, cores, memory, Python, the load when asked, and the versions of these packages."""
    all_of_it = machine.environment()
    versions = {name: all_of_it["packages"].get(name, "absent") for name in packages}
    load = {"load": os.getloadavg()[0]}
    return {**all_of_it["hardware"], "python": all_of_it["python"], **load, **versions}
