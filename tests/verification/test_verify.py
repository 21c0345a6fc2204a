"""From a model to a certificate: golden files, OpenCV, JSON, the page, the command."""

import json
import subprocess
import sys

import numpy as np
import pytest

import zoo
from zoo.darknet.cfg import parse
from zoo.darknet.plan import plan
from zoo.darknet.weights import save_weights
from zoo.data.sources import open_source
from zoo.errors import ZooError
from zoo.verification.certificate import SCHEMA_VERSION
from zoo.verification.opencv import read_net
from zoo.verification.page import write_page
from zoo.verification.run import verify

GOLDEN = {"yolov4-tiny": "yolov4-tiny", "yolov3-tiny": "yolov3-tiny-mask123"}


def against_golden(tiny, oracle_dir, name, image="dog", mode="stretch", **options):
    real = oracle_dir / "forward" / "real"
    reference = real / f"{GOLDEN[name]}_{image}_{mode}.npz"
    options.setdefault("source", real / f"{image}_decoded.png")
    return verify(*tiny[name], reference=reference, **options)


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize(("image", "mode"), [("dog", "stretch"), ("person", "letterbox")])
def test_tiny_models_agree_with_darknet(tiny, oracle_dir, name, image, mode):
    found = against_golden(tiny, oracle_dir, name, image, mode).certificate
    assert found.agrees, found.sentence
    assert found.compared == len(found.layers) == {"yolov4-tiny": 38, "yolov3-tiny": 24}[name]
    assert [row.threshold for row in found.detections] == [0.25, 0.005]
    assert all(row.ours == row.reference > 0 for row in found.detections)


@pytest.fixture(scope="module")
def dog(tiny, oracle_dir):
    """yolov4-tiny on Darknet's dog against OpenCV."""
    return verify(*tiny["yolov4-tiny"], source=oracle_dir / "images" / "dog.jpg")


def test_yolov4_tiny_agrees_with_opencv(dog):
    found = dog.certificate
    assert found.agrees, found.sentence
    assert found.reference["name"].startswith("OpenCV 4.")
    assert dog.ours.class_id.tolist() == dog.theirs.class_id.tolist()
    assert set(dog.ours.data["class_name"]) >= {"dog", "bicycle"}


def test_certificate_json(dog, tiny, oracle_dir, tmp_path):
    dog.certificate.write(tmp_path / "certificate.json")
    found = json.loads((tmp_path / "certificate.json").read_text())
    assert list(found) == [
        "schema_version", "verdict", "model", "cfg", "weights", "reference", "input", "backend",
        "versions", "tolerances", "totals", "layers", "detections", "ap",
    ]  # fmt: skip
    assert found["schema_version"] == SCHEMA_VERSION == 1
    assert found["verdict"]["agrees"] is True and found["verdict"]["first_divergence"] is None
    sha256 = "cf9fbfd0f6d4869b35762f56100f50ed05268084078805f0e7989efe5bb8ca87"
    assert found["weights"] == {
        "file": "yolov4-tiny.weights", "sha256": sha256, "bytes": 24251276,
    }  # fmt: skip
    assert found["totals"] == {"layers": 38, "parameters": 6062814, "flops": 6910299136}
    assert found["input"]["size"] == [416, 416] and len(found["input"]["sha256"]) == 64
    assert set(found["versions"]) >= {"zoo", "keras", "numpy", "opencv", "python"}
    row = found["layers"][2]
    assert (row["index"], row["type"], row["shape"]) == (2, "convolutional", [104, 104, 64])
    assert row["parameters"] == 4 * 64 + 64 * 64 * 9 and row["verdict"] == "agrees"
    assert 0 < row["relative_error"] < found["tolerances"]["layer"]


def test_the_page_holds_everything_in_itself(dog, tmp_path):
    page = write_page(dog, tmp_path).read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    assert "<svg" in page and "stage2_transition" in page
    assert "yolov4_tiny agrees with OpenCV" in page
    assert "src=" not in page.replace('src="data:', "") and "http-equiv" not in page


def test_a_damaged_model_does_not_agree(tiny, oracle_dir, tmp_path):
    detector = tiny["yolov4-tiny"][0]
    mean = detector.get_layer("backbone").get_layer("stage3_conv1").normalization.moving_mean
    right = np.array(mean)
    try:
        mean.assign(right + 1)
        found = against_golden(tiny, oracle_dir, "yolov4-tiny")
    finally:
        mean.assign(right)
    certificate = found.certificate
    assert not certificate.agrees
    assert certificate.first_divergence.index == 10
    assert "layer 10 (convolutional, 'stage3_conv1' of the model) is the first to diverge" in (
        certificate.sentence
    )
    document = certificate.document()
    assert document["verdict"]["first_divergence"] == 10
    json.dumps(document, allow_nan=False)
    page = write_page(found, tmp_path).read_text()
    assert "Does not agree" in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"source": "images/dog.jpg"}, "is not the input of the golden data",
                     id="another decoder of JPEG"),
        pytest.param({"source": None}, "source=null: drawn shapes at", id="another picture"),
        pytest.param({"image_size": 320}, r"the golden data have \(416, 416\)", id="size"),
        pytest.param({"source": "forward/big/inputs_dog.npz"}, "holds no array of shape",
                     id="inputs of another size"),
    ],
)  # fmt: skip
def test_golden_data_are_of_one_input_and_network(tiny, oracle_dir, options, message):
    if isinstance(options.get("source"), str):
        options = {**options, "source": oracle_dir / options["source"]}
    with pytest.raises(ZooError, match=message):
        against_golden(tiny, oracle_dir, "yolov4-tiny", **options)


def test_golden_data_of_another_network(tiny, oracle_dir):
    message = (
        r"mask123.cfg, line 25, \[convolutional\], layer 0: the golden file is of another network: "
        r"it has convolutional \(208, 208, 32\) here, not convolutional \(416, 416, 16\)"
    )
    with pytest.raises(ZooError, match=message):
        against_golden({"yolov4-tiny": tiny["yolov3-tiny"]}, oracle_dir, "yolov4-tiny")


def test_a_file_that_is_no_golden_data(tiny, tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ZooError, match="is no golden file"):
        verify(*tiny["yolov4-tiny"], reference=tmp_path / "other.npz")


def test_with_data_both_are_evaluated(tiny, oracle_dir):
    detector, *files = tiny["yolov4-tiny"]
    shapes = open_source({"name": "shapes", "images": 8, "held_out": 2}, "val")
    shapes.class_names = detector.class_names[: len(shapes.class_names)]
    limits = {"score_threshold": 0.001, "max_detections": 100}
    image = oracle_dir / "images" / "dog.jpg"
    found = verify(detector, *files, source=image, data=shapes, evaluation=limits).certificate
    assert found.ap["images"] == 2
    assert found.ap["ours"] == pytest.approx(found.ap["reference"], abs=5e-4)


def test_data_of_other_classes_are_refused_before_anything_is_compared(
    tiny, oracle_dir, monkeypatch
):
    monkeypatch.setattr("zoo.verification.run.open_input", None)
    shapes = open_source({"name": "shapes"}, "val")
    with pytest.raises(ZooError, match="which the detector does not know"):
        verify(*tiny["yolov4-tiny"], source=oracle_dir / "images" / "dog.jpg", data=shapes)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "zoo.verify", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_command(oracle_dir, mirror, tmp_path):
    done = command(
        "preset=yolov3-tiny-coco", f"cfg={oracle_dir}/cfg/yolov3-tiny-mask123.cfg",
        f"source={oracle_dir}/images/dog.jpg", "image_size=320", f"hydra.run.dir={tmp_path}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "24 layers, 8,858,734 parameters" in done.stdout
    text = " ".join(done.stdout.split())
    assert "yolov3_tiny agrees with OpenCV" in text
    assert json.loads((tmp_path / "certificate.json").read_text())["verdict"]["agrees"]
    assert (tmp_path / "certificate.html").stat().st_size > 100_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["preset=yolov3-tiny-coco", "cfg=cfg/yolov4-tiny.cfg"],
                     "layer 0: filters is 32, but 16 in the model", id="another network"),
        pytest.param(["cfg=cfg/yolov4-tiny.cfg"], "weights=… is missing", id="no weights"),
    ],
)  # fmt: skip
def test_the_command_says_what_is_wrong(oracle_dir, mirror, tmp_path, arguments, message):
    arguments = [text.replace("cfg=", f"cfg={oracle_dir}/", 1) for text in arguments]
    done = command(*arguments, f"hydra.run.dir={tmp_path}")
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_command_fails_on_damaged_weights(oracle_dir, tmp_path):
    """An imported model, whose file has one wrong number, against what Darknet computed."""
    content = bytearray((oracle_dir / "weights" / "yolov4-tiny.weights").read_bytes())
    # After the header: the first beta of the first convolution.
    content[20:24] = np.array([50], "<f4").tobytes()
    (tmp_path / "damaged.weights").write_bytes(content)
    real = oracle_dir / "forward" / "real"
    done = command(
        f"cfg={oracle_dir}/cfg/yolov4-tiny.cfg", f"weights={tmp_path}/damaged.weights",
        "class_names=coco", f"source={real}/dog_decoded.png",
        f"reference={real}/yolov4-tiny_dog_stretch.npz", f"hydra.run.dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "layer 0 (convolutional" in " ".join(done.stdout.split())
    assert (tmp_path / "run" / "certificate.html").is_file()


@pytest.mark.slow
def test_ap_of_both_is_the_same(tiny, data_dir):
    root = data_dir / "coco_mini" / "val"
    source = open_source({"name": "coco_json", "root": str(root)}, "val")
    limits = {"score_threshold": 0.001, "max_detections": 100}
    found = verify(*tiny["yolov4-tiny"], data=source, evaluation=limits).certificate
    assert found.agrees, found.sentence
    assert found.ap["images"] == len(source)
    for key in ("AP", "AP50", "AP75"):
        assert found.ap["ours"][key] == pytest.approx(found.ap["reference"][key], abs=5e-4)
    assert found.ap["ours"]["AP"] > 0.2


def test_a_damaged_golden_file(tiny, tmp_path):
    np.savez(tmp_path / "cut.npz", a=np.zeros(300))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:200])
    with pytest.raises(ZooError, match="is no golden file"):
        verify(*tiny["yolov4-tiny"], reference=tmp_path / "cut.npz")
    with pytest.raises(ZooError, match=r"cut.npz cannot be read"):
        verify(*tiny["yolov4-tiny"], source=tmp_path / "cut.npz")


CONVOLUTION = "[convolutional]\nfilters={}\nsize=1\nstride={}\nactivation=linear\n"
YOLO = "[yolo]\nclasses=2\nnum=2\nmask=0\nanchors={}\n"


def imported(text, folder):
    """A detector of a cfg, and the files that it is verified with."""
    (folder / "my.cfg").write_text("[net]\nwidth=64\nheight=64\nchannels=3\n" + text)
    model = zoo.load(folder / "my.cfg")
    save_weights(model, folder / "my.weights")
    return model, folder / "my.cfg", folder / "my.weights"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            CONVOLUTION.format(7, 8) + YOLO.format("4,4, 8,8")
            + CONVOLUTION.format(7, 2).replace("[conv", "[route]\nlayers=0\n[conv")
            + YOLO.format("20,20, 40,40"), id="anchors of their own",
        ),
        pytest.param(
            CONVOLUTION.format(7, 8) + YOLO.format("4,4, 8,8") + "nms_kind=cornersnms\n",
            id="a kind of suppression that Darknet does not have",
        ),
    ],
)  # fmt: skip
def test_what_an_import_makes_of_a_cfg_is_that_network(text, tmp_path):
    done = verify(*imported(text, tmp_path))
    assert done.certificate.agrees, done.certificate.sentence


def test_a_classifier_is_not_verified(tmp_path):
    with pytest.raises(ZooError, match=r"my\.cfg is a classifier"):
        verify(*imported(CONVOLUTION.format(5, 8) + "[avgpool]\n[softmax]\n", tmp_path))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param(CONVOLUTION.format(4, 1) + "dilation=2\n", 10, "dilation=2", id="dilation"),
        pytest.param(CONVOLUTION.format(4, 2) + "antialiasing=1\n", 10, "antialiasing=1",
                     id="blur"),
        pytest.param(CONVOLUTION.format(4, 2) + "stride_x=1\n", 10, "stride_x and stride_y",
                     id="stride across"),
        pytest.param(CONVOLUTION.format(4, 2) + "stride_y=1\n", 10, "stride_x and stride_y",
                     id="stride down"),
        pytest.param(CONVOLUTION.format(3, 1) * 2 + "share_index=-1\n", 15, "share_index",
                     id="weights of another layer"),
        pytest.param(CONVOLUTION.format(4, 1) + "cbn=1\n", 10, "cbn where", id="normalisation"),
        pytest.param("[convolutional]\nfilters=4\n", 5, "that a missing activation= is logistic",
                     id="activation"),
        pytest.param("[maxpool]\nmaxpool_depth=1\nout_channels=1\n", 6, "maxpool_depth=1",
                     id="channels"),
        pytest.param("[upsample]\nstride=2\nscale=0.5\n", 7, "scale=0.5", id="scale"),
        pytest.param(CONVOLUTION.format(3, 1) * 3 + "[shortcut]\nfrom=-2,-3\n", 21,
                     "all layers of from= but the first", id="three maps"),
        pytest.param(CONVOLUTION.format(3, 1) * 2 + "[shortcut]\nfrom=-2\nweights_type=per_channel"
                     "\n", 17, "weights_type", id="a weighted sum"),
        pytest.param(CONVOLUTION.format(4, 1) * 2 + "[route]\nlayers=-1,-2\ngroups=2\n", 17,
                     "groups= of several layers", id="halves of two maps"),
    ],
)  # fmt: skip
def test_what_opencv_ignores_is_not_verified_with_it(text, line, message, tmp_path):
    net = "[net]\nwidth=64\nheight=64\nchannels=3\n"
    with pytest.raises(ZooError) as caught:
        read_net(plan(parse(net + text, "my.cfg")), tmp_path / "none.weights")
    assert str(caught.value).startswith(f"my.cfg, line {line}, [")
    assert f"OpenCV's reader ignores {message}" in str(caught.value)
    assert str(caught.value).endswith("; give golden data as reference=FILE.npz")
