"""Every exported format finds what the Keras detector finds."""

import contextlib
import importlib.util
import json
import logging
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import zoo
from zoo import runtimes
from zoo.errors import ZooError
from zoo.exported import ExportedDetector
from zoo.format.contract import format_of
from zoo.registry import FORMATS

#: An engine forks, of which JAX warns where the tests run on it.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork.. was called:RuntimeWarning")

MODULES = {
    "litert": ["ai_edge_litert"],
    "onnx": ["onnx", "onnxruntime", "tf2onnx"],
    "openvino": ["openvino"],
    "saved_model": ["tensorflow"],
}
SUFFIX = {name: FORMATS[name]().suffix for name in MODULES}


def command(name, *arguments, code=0):
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def need(name):
    for module in MODULES[name]:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


#: One process exports all; `python -m zoo.export` runs in the test of `runtime=`.
SCRIPT = """
import sys, json, zoo
from pathlib import Path
from zoo.deployment.exporting import export
preset, folder, picture, options, formats = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
detector, options = zoo.load(preset), json.loads(options)
detector.cfg["nms"]["score_threshold"] = 0.5  # the car scores 0.39
for name in json.loads(formats):
    export(detector, folder / name, format=name, **options)
keys = {"resize", "image_size", "score_threshold"} & set(options)
found = detector.detect(picture, **{key: options[key] for key in keys})[0]
import numpy as np
np.savez(folder / "keras.npz", xyxy=found.xyxy, score=found.confidence, label=found.class_id)
"""


def export_all(folder, picture, options, formats):
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    arguments = ["yolov4-tiny-coco", str(folder), str(picture), json.dumps(options)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments, json.dumps(formats)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def installed():
    return [
        name
        for name, modules in MODULES.items()
        if all(importlib.util.find_spec(module) for module in modules)
    ]


@pytest.fixture(scope="module")
def weights(oracle_dir, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_MIRROR", str(oracle_dir / "weights"))
        patch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def dog(oracle_dir):
    return oracle_dir / "images" / "dog.jpg"


@pytest.fixture(scope="module")
def square(weights, dog, tmp_path_factory):
    """The light formats of yolov4-tiny at its own size, and what Keras finds."""
    formats = [name for name in installed() if name != "saved_model"]
    return export_all(tmp_path_factory.mktemp("square"), dog, {}, formats)


@pytest.fixture(scope="module")
def wide(weights, dog, tmp_path_factory):
    """Two pictures of 160 × 256 in a call, letterboxed, low scores too."""
    options = {"image_size": [160, 256], "resize": "letterbox", "batch_size": 2}
    options["score_threshold"] = 0.01
    formats = [name for name in installed() if name != "saved_model"]
    return export_all(tmp_path_factory.mktemp("wide"), dog, options, formats)


def assert_same(found, folder, picture):
    side = min(cv2.imread(str(picture)).shape[:2])
    with np.load(folder / "keras.npz") as keras:
        assert len(keras["label"]) > 2
        np.testing.assert_array_equal(found.class_id, keras["label"])
        np.testing.assert_allclose(found.xyxy, keras["xyxy"], atol=1e-4 * side)
        np.testing.assert_allclose(found.confidence, keras["score"], atol=1e-3)


LIGHT = ["litert", "onnx", "openvino"]


@pytest.mark.parametrize("name", [*LIGHT, pytest.param("saved_model", marks=pytest.mark.slow)])
def test_a_file_finds_the_same_rows(name, square, dog, tmp_path):
    need(name)
    if name == "saved_model":  # loading takes TensorFlow, which the others do without
        square = export_all(tmp_path, dog, {}, [name])
    detector = zoo.load(square / f"{name}{SUFFIX[name]}")
    (found,) = detector.detect(str(dog))
    assert set(found.data["class_name"]) >= {"dog", "bicycle"}
    assert_same(found, square, dog)
    (nothing,) = detector.detect(np.zeros((50, 70, 3), "uint8"))
    assert len(nothing) == 0
    (few,) = detector.detect(str(dog), score_threshold=0.7)
    assert len(few) == (found.confidence > 0.7).sum() > 0
    np.testing.assert_array_equal(few.xyxy, found.xyxy[: len(few)])


@pytest.mark.slow
@pytest.mark.parametrize("name", LIGHT)
def test_another_size_letterboxed_in_batches(name, wide, dog):
    need(name)
    detector = zoo.load(wide / f"{name}{SUFFIX[name]}")
    assert detector.batch_size == 2
    empty = np.zeros((50, 70, 3), "uint8")
    three = detector.detect([str(dog), empty, str(dog)])  # the second batch is filled up
    assert_same(three[0], wide, dog)
    assert len(three[1]) < len(three[0])
    np.testing.assert_array_equal(three[0].xyxy, three[2].xyxy)


#: In a process of its own: an engine that two call at once may end it.
THREADS = """
import sys, numpy as np, zoo
from concurrent.futures import ThreadPoolExecutor
detector = zoo.load(sys.argv[1])
sources = [np.zeros((50, 70, 3), "uint8"), sys.argv[2]] * 8
with ThreadPoolExecutor(4) as threads:
    numbers = list(threads.map(lambda source: len(detector.detect(source)[0]), sources))
print(set(numbers[::2]), set(numbers[1::2]))
"""


@pytest.mark.parametrize("name", LIGHT)
def test_threads_share_a_file(name, square, dog):
    need(name)
    file = square / f"{name}{SUFFIX[name]}"
    done = subprocess.run(
        [sys.executable, "-c", THREADS, str(file), str(dog)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "{0} {3}"), done.stderr


def test_a_file_says_what_it_is(square):
    need("onnx")
    detector = zoo.load(square / "onnx.onnx")
    assert detector.class_names[16] == "dog"
    assert (detector.image_size, detector.resize) == ((416, 416), "stretch")
    assert detector.metadata["nms"]["name"] == "greedynms"
    assert detector.metadata["zoo"] == zoo.__version__


@pytest.mark.parametrize(
    ("resize", "nms", "inputs", "outputs"),
    [
        pytest.param("stretch", {"name": "greedynms"}, {"images"},
                     {"boxes", "scores", "classes", "count", "candidates"}, id="with NMS"),
        pytest.param("letterbox", None, {"images", "window"}, {"boxes", "scores"}, id="without"),
    ],
)  # fmt: skip
def test_a_file_describes_what_it_takes_and_gives(resize, nms, inputs, outputs):
    from zoo.deployment.exporting import describe

    detector = SimpleNamespace(name="m", class_names=["a"])
    found = describe(detector, (32, 64), 1, resize, "float32", nms, None, None)
    arrays = {key for key, text in found.items() if re.match("(float|int)32 [(]", str(text))}
    assert arrays == inputs | outputs
    assert "not cut off" in found["boxes"]
    assert ("grey of 0.5" in found["images"]) == ("window" in inputs)
    assert ("all anchors" in found["scores"]) == (nms is None)


def test_onnx_declares_the_sizes_of_what_it_gives(square):
    need("onnx")
    import onnxruntime

    session = onnxruntime.InferenceSession(square / "onnx.onnx", providers=["CPUExecutionProvider"])
    assert {output.name: output.shape for output in session.get_outputs()} == {
        "boxes": [1, 300, 4], "scores": [1, 300], "classes": [1, 300],
        "count": [1], "candidates": [1],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param({"score_threshold": 0.1}, "finds nothing below score_thr", id="too low"),
        pytest.param({"iou_threshold": 0.6}, "has iou_threshold=0.45 inside", id="another overlap"),
        pytest.param({"image_size": 320}, r"is for image_size=\[416, 416\]", id="another size"),
        pytest.param({"resize": "letterbox"}, "is for resize=stretch", id="no window"),
    ],
)
def test_what_a_file_does_not_have_is_said(square, options, sentence):
    need("onnx")
    detector = zoo.load(square / "onnx.onnx")
    with pytest.raises(ZooError, match=sentence):
        detector.detect(np.zeros((50, 70, 3), "uint8"), **options)


@pytest.mark.parametrize("name", LIGHT)
def test_detecting_with_a_file_imports_no_keras(name, square, dog):
    need(name)
    code = (
        "import sys, zoo; found = zoo.load(sys.argv[1]).detect(sys.argv[2]);"
        "assert len(found[0]) > 2; print({'keras', 'tensorflow', 'jax', 'torch', 'hydra'} "
        "& set(sys.modules))"
    )
    file = square / f"{name}{SUFFIX[name]}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(file), str(dog)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_detect_makes_the_file_once_and_takes_it_again(weights, dog, tmp_path, monkeypatch):
    need("onnx")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    arguments = ["preset=yolov4-tiny-coco", f"source={dog}", "runtime=onnx", "image_size=320"]
    records = []
    for run in ("first", "second"):
        command("zoo.detect", *arguments, f"hydra.run.dir={tmp_path / run}")
        records.append(json.loads((tmp_path / run / "detections.json").read_text()))
        (file,) = (tmp_path / "cache" / "exports").glob("*/model.onnx")
        records.append(file.stat().st_mtime_ns)
    assert records[:2] == records[2:]
    (record,) = records[0]
    assert {found["class_name"] for found in record["detections"]} >= {"dog"}
    command("zoo.detect", f"preset={file}", f"source={dog}", f"hydra.run.dir={tmp_path / 'third'}")
    assert json.loads((tmp_path / "third" / "detections.json").read_text()) == records[0]


def test_paths_may_have_characters_of_hydras_grammar(tmp_path, monkeypatch):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    folder = tmp_path / "it's (2), a=b é \\"
    folder.mkdir()
    (folder / "m.keras").write_bytes(b"weights")
    monkeypatch.setenv("ZOO_CACHE", str(folder))
    given = {}

    def export(command, **_):
        overrides = OverridesParser.create().parse_overrides(command[3:])
        given.update({override.key_or_group: override.value() for override in overrides})
        output = Path(given["output"])
        output.parent.mkdir()
        output.touch()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("zoo.runtimes.subprocess.run", export)
    file = runtimes.exported(str(folder / "m.keras"), runtime="onnx", image_size=[320, 320])
    assert file.is_file() and file.is_relative_to(folder / "exports")
    assert given["preset"] == str(folder / "m.keras")
    assert given["image_size"] == [320, 320]
    assert Path(given["hydra.run.dir"]).parent.parent == folder / "exports"


def test_what_other_code_or_yaml_made_is_made_anew(tmp_path, monkeypatch):
    (tmp_path / "head.py").write_text("anchors")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "yolov4.yaml").write_text("neck: pan")
    (tmp_path / "m.keras").write_bytes(b"weights")
    monkeypatch.setattr(runtimes.config, "PACKAGE", tmp_path)
    monkeypatch.setattr(runtimes.config, "conf_directories", lambda: {"a": tmp_path / "conf"})
    monkeypatch.setattr(runtimes, "_plugins", lambda: versions)
    monkeypatch.setattr(runtimes, "_code", runtimes._code.__wrapped__)
    monkeypatch.setattr(runtimes, "_export", lambda source, file, settings: None)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    versions = [("zoo-acme", "1.0")]

    def file():
        return runtimes.exported(str(tmp_path / "m.keras"), runtime="onnx")

    files = [file(), file()]
    (tmp_path / "head.py").write_text("other anchors")
    files.append(file())
    (tmp_path / "conf" / "yolov4.yaml").write_text("neck: fpn")
    files.append(file())
    versions[0] = ("zoo-acme", "1.1")
    files.append(file())
    assert [files.index(one) for one in files] == [0, 0, 2, 3, 4]


def test_the_plugins_whose_versions_count_are_those_with_entry_points_of_ours(monkeypatch):
    of = {"zoo.nms": ["acme 1.0"], "zoo.conf": ["acme 1.0", "b 2"], "console_scripts": ["pip 3"]}

    class Points:
        groups = frozenset(of)

        def select(self, group):
            dists = [text.split() for text in of[group]]
            return [SimpleNamespace(dist=SimpleNamespace(name=n, version=v)) for n, v in dists]

    monkeypatch.setattr(runtimes, "entry_points", Points)
    assert runtimes._plugins() == [("acme", "1.0"), ("b", "2")]


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        pytest.param("zoo.export", ["preset=x", "format=onx"], "did you mean onnx", id="format"),
        pytest.param(
            "zoo.export", ["preset=x", "format=litert", "precision=float61"],
            "did you mean float16", id="precision",
        ),
        pytest.param(
            "zoo.export", ["preset=x", "format=litert", "precision=int8"],
            "calibration.source=FOLDER", id="int8 without pictures",
        ),
        pytest.param(
            "zoo.detect", ["preset=none.keras", "source=.", "runtime=opnvino"],
            "did you mean openvino", id="runtime",
        ),
    ],
)  # fmt: skip
def test_misspelt_names_are_answered(name, arguments, sentence, dog, tmp_path):
    arguments = [argument.replace("source=.", f"source={dog}") for argument in arguments]
    done = command(name, *arguments, f"hydra.run.dir={tmp_path}", code=2)
    assert sentence in done.stderr


def test_a_format_of_a_plugin_is_a_runtime(monkeypatch):
    monkeypatch.setitem(FORMATS._listed, "acme", [("zoo_acme:Acme", "zoo-acme")])
    assert runtimes._engine("acme") == "acme"
    with pytest.raises(ZooError, match="no runtime 'acne'; did you mean acme"):
        runtimes._engine("acne")


@pytest.mark.parametrize("name", LIGHT)
def test_an_engine_that_is_not_installed_names_its_extra(name, tmp_path, monkeypatch):
    from zoo.format import contract

    def missing(module):
        raise ImportError(module)

    monkeypatch.setattr(contract.importlib, "import_module", missing)
    with pytest.raises(ZooError, match=rf"pip install 'keras-yolo-zoo\[{name}\]'"):
        contract.need(MODULES[name][0], name)


def of_two(patch):
    """A name that two distributions give to a format."""
    patch.setitem(FORMATS._listed, "broken", [("theirs:Format", "one"), ("others:Format", "two")])


def absent(patch):
    """A plugin whose module is not there."""
    patch.setitem(FORMATS._listed, "broken", [("not_there:Format", "one")])


def failing(patch):
    """A plugin whose format raises anything."""
    patch.setitem(FORMATS._registered, "broken", lambda: 1 / 0)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (of_two, "'broken' is provided by one and two; uninstall"),
        (absent, r"'broken' of one \(not_there:Format\) does not load"),
        (failing, "'broken' failed: ZeroDivisionError"),
    ],
)
def test_a_format_that_is_not_to_be_had_blocks_itself_alone(broken, told, monkeypatch, caplog):
    broken(monkeypatch)
    assert format_of(Path("m.onnx")) == "onnx"
    assert format_of(Path("yolov4-tiny-coco")) is None
    assert re.search(told, caplog.text)


def test_a_missing_file_and_a_foreign_one_are_named(tmp_path):
    with pytest.raises(ZooError, match="no file"):
        zoo.load(tmp_path / "none.onnx")
    (tmp_path / "foreign.tflite").write_bytes(b"TFL3 of somebody else")
    with pytest.raises(ZooError, match="was not exported by zoo"):
        zoo.load(tmp_path / "foreign.tflite")


@pytest.mark.parametrize("name", LIGHT)
@pytest.mark.parametrize("share", [0, 0.5])
def test_a_damaged_file_is_named(name, share, square, tmp_path):
    need(name)
    whole = square / f"{name}{SUFFIX[name]}"
    content = whole.read_bytes()
    path = tmp_path / f"m{SUFFIX[name]}"
    path.write_bytes(content[: int(share * len(content))])
    if name == "openvino":
        (tmp_path / "m.bin").write_bytes(whole.with_suffix(".bin").read_bytes())
    with pytest.raises(ZooError, match=r"m\.\w+ (cannot be read: .+; export it|was not exported)"):
        zoo.load(path)


@pytest.mark.parametrize("share", [None, 0, 0.5], ids=["none", "empty", "half"])
def test_openvinos_weights_must_be_whole(share, square, tmp_path):
    need("openvino")
    whole = square / "openvino.xml"
    (tmp_path / "m.xml").write_bytes(whole.read_bytes())
    if share is not None:
        content = whole.with_suffix(".bin").read_bytes()
        (tmp_path / "m.bin").write_bytes(content[: int(share * len(content))])
    with pytest.raises(ZooError, match=r"m\.xml cannot be read: .*bin file"):
        zoo.load(tmp_path / "m.xml")


def test_openvinos_weights_must_be_those_of_the_model(square, tmp_path):
    need("openvino")
    whole = square / "openvino.xml"
    (tmp_path / "m.xml").write_bytes(whole.read_bytes())
    other = bytearray(whole.with_suffix(".bin").read_bytes())
    other[len(other) // 2] ^= 1  # as many bytes
    (tmp_path / "m.bin").write_bytes(other)
    with pytest.raises(ZooError, match=r"m\.bin is of another export than .*m\.xml; copy both"):
        zoo.load(tmp_path / "m.xml")


def test_a_file_of_metadata_without_a_graph_is_named(square, tmp_path):
    need("litert")
    text = json.dumps(zoo.load(square / "litert.tflite").metadata)
    with zipfile.ZipFile(tmp_path / "m.tflite", "w") as archive:
        archive.writestr("zoo.json", text)
    with pytest.raises(ZooError, match=r"m\.tflite cannot be read: .*; export it again"):
        zoo.load(tmp_path / "m.tflite")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("not json", "was not exported by zoo", id="no JSON"),
        pytest.param("[]", "was not exported by zoo", id="a list"),
        pytest.param('{"name": "m", "nms": null}', "does not say its class_names,", id="holes"),
    ],
)
def test_metadata_that_are_not_ours(text, sentence, tmp_path):
    with zipfile.ZipFile(tmp_path / "m.tflite", "w") as archive:
        archive.writestr("zoo.json", text)
    (tmp_path / "saved" / "assets.extra").mkdir(parents=True)
    (tmp_path / "saved" / "assets.extra" / "zoo.json").write_text(text)
    (tmp_path / "saved" / "saved_model.pb").touch()
    for path in (tmp_path / "m.tflite", tmp_path / "saved"):
        with pytest.raises(ZooError, match=f"{path} {sentence}"):
            zoo.load(path)


def test_nothing_is_told_of_temporary_folders(tmp_path):
    tf = pytest.importorskip("tensorflow")
    from zoo.format.contract import save

    told = []
    handler = logging.Handler()
    handler.emit = told.append
    logger, level = tf.get_logger(), tf.get_logger().level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)  # as in a command: Hydra shows what is told at this level
    function = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec((1,))])
    try:
        save(function, str(tmp_path))
        assert logger.level == logging.INFO
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
    assert (tmp_path / "saved_model.pb").is_file()
    assert not told


def test_a_full_disk_is_an_os_error_of_every_engine(tmp_path, monkeypatch):
    tf = pytest.importorskip("tensorflow")
    from zoo.format import contract, openvino

    def full(*_, **__):
        raise RuntimeError("basic_ios::clear: iostream error")

    (tmp_path / "file").touch()
    function = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec((1,))])
    with pytest.raises(OSError, match="file is not a directory"):
        contract.save(function, str(tmp_path / "file" / "m"))
    engine = SimpleNamespace(convert_model=lambda folder: None, save_model=full)
    monkeypatch.setattr(openvino, "need", lambda *_: engine)
    monkeypatch.setattr(openvino, "saved", contextlib.nullcontext)
    with pytest.raises(OSError, match=r"basic_ios::clear.*; is the disk full"):
        openvino.OpenVINO().write(None, tmp_path / "m.xml", metadata={}, precision="float32")


@pytest.mark.parametrize(
    ("precision", "halved", "hint"),
    [("float32", False, "f32"), ("float16", True, "f32"), ("bfloat16", True, "bf16")],
)
def test_openvinos_weights_may_be_halved_and_its_file_says_how_to_compile_it(
    precision, halved, hint, tmp_path, monkeypatch
):
    from zoo.format import openvino

    def save_model(model, path, compress_to_fp16):
        saved.append(compress_to_fp16)
        Path(path).with_suffix(".bin").write_bytes(b"123456789")

    saved, told = [], {}
    model = SimpleNamespace(set_rt_info=lambda text, _: told.update(json.loads(text)))
    engine = SimpleNamespace(convert_model=lambda folder: model, save_model=save_model)
    monkeypatch.setattr(openvino, "need", lambda *_: engine)
    monkeypatch.setattr(openvino, "saved", contextlib.nullcontext)
    openvino.OpenVINO().write(None, tmp_path / "m.xml", metadata={}, precision=precision)
    assert saved == [halved, halved]  # the second time with what the first gave
    assert told["compile_model"]["INFERENCE_PRECISION_HINT"] == hint
    assert told["bin_crc32"] == 0xCBF43926  # the check value of CRC-32, of these nine digits


def test_an_export_that_fails_leaves_the_file_that_was(tmp_path, monkeypatch):
    from zoo.deployment import exporting

    class Full:
        suffix = ".acme"
        precisions = ("float32",)

        def write(self, function, path, *, metadata, precision):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    for step in ("check_backend", "fold", "trace"):  # which need TensorFlow
        monkeypatch.setattr(exporting, step, lambda *_, **__: None)
    detector = zoo.build("yolov4_tiny", ["a"], ["+model.backbone.stem=4"])
    (tmp_path / "m.acme").write_bytes(b"whole")
    with (
        FORMATS.temporarily("acme", Full),
        pytest.raises(ZooError, match=r"m\.acme cannot be written: No space left on device$"),
    ):
        exporting.export(detector, tmp_path / "m", format="acme")
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("m.acme", b"whole")]


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (["Tensorrt", "CUDA", "CPU"], ["CUDA", "CPU"]),
        (["CoreML", "CPU"], ["CPU"]),
    ],
)
def test_onnx_runs_on_cuda_or_the_cpu(there, taken, monkeypatch):
    from zoo.format import onnx

    class Session:
        def __init__(self, path, providers):
            given.extend(providers)

        def get_modelmeta(self):
            return SimpleNamespace(custom_metadata_map={})

    given = []
    whole = [f"{name}ExecutionProvider" for name in there]
    engine = SimpleNamespace(InferenceSession=Session, get_available_providers=lambda: whole)
    monkeypatch.setattr(onnx, "need", lambda *_: engine)
    with pytest.raises(ZooError, match="was not exported by zoo"):
        onnx.Onnx().open(Path("m.onnx"))
    assert given == [f"{name}ExecutionProvider" for name in taken]


@pytest.mark.parametrize("size", [64.5, 64, np.int64(64), (64, 64, 64), "32", (32, 33), None])
def test_another_size_than_the_files_is_one_sentence(size):
    metadata = {
        "name": "m", "class_names": ["a"], "image_size": [32, 32], "resize": "stretch",
        "batch_size": 1, "nms": None,
    }  # fmt: skip
    detector = ExportedDetector(metadata, lambda inputs: inputs, Path("m.onnx"))
    assert detector.check_size(np.int64(32)) == detector.check_size([32, 32]) == (32, 32)
    with pytest.raises(ZooError, match=r"m\.onnx is for image_size=\[32, 32\]; for .* export it"):
        detector.check_size(size)
