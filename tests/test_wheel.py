"""What `pip install` gives: the package with its configs, usable from any folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_works_from_any_folder(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True, cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    names = {str(file.relative_to(ROOT)) for file in (ROOT / "conf").rglob("*.yaml")}
    assert {str(f.relative_to(installed / "zoo")) for f in installed.rglob("*.yaml")} == names
    assert (installed / "zoo" / "py.typed").is_file()

    done = subprocess.run(
        [sys.executable, "-m", "zoo.train", "model=yolov3", "--cfg", "job"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
    )  # fmt: skip
    assert "name: darknet53" in done.stdout
    where = subprocess.run(
        [sys.executable, "-c", "import zoo.config; print(zoo.config.CONF)"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
    )  # fmt: skip
    assert Path(where.stdout.strip()) == installed / "zoo" / "conf"
