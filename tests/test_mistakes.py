"""A user's mistake is one sentence and exit status 2, whatever the command."""

import json
import subprocess
import sys

import pytest

MISTAKES = [
    pytest.param("zoo.detect", ["preset=yolov4-tiny-coco", "source=null"],
                 "source is a NoneType; give a file", id="no source"),
    pytest.param("zoo.detect", ["preset=yolov4-tiny-coco", "source=987"],
                 "camera 987 is no video that can be opened", id="no camera"),
    pytest.param("zoo.detect", ["preset=yolov4-tiny-coco", f"source={__file__}", "frames=3"],
                 "frames=3 goes with a video; source=", id="frames of a picture"),
    pytest.param("zoo.detect", ["preset=yolov4-tiny-coc", "source=x.jpg"],
                 "source 'x.jpg': no picture there", id="no picture"),
    pytest.param("zoo.detect", ["preset=x.keras", f"source={__file__}", "precision=nonsense"],
                 "precision=nonsense is of an exported model, not of runtime=keras; add",
                 id="precision without a runtime"),
    pytest.param("zoo.evaluate", ["preset=yolov4-tiny-coc", "data=shapes"],
                 "no preset 'yolov4-tiny-coc'; did you mean yolov4-tiny-coco", id="preset"),
    pytest.param("zoo.convert", ["cfg=a.cfg", "output=a.onnx"], "must end in .keras or",
                 id="output"),
    pytest.param("zoo.convert", ["output=a.keras"], "either cfg= or preset=", id="no input"),
    pytest.param("zoo.convert", ["preset=a", "weights=b", "output=a.keras"],
                 "weights= goes with cfg=", id="weights of a preset"),
    pytest.param("zoo.convert", ["cfg=none.cfg", "output=a.keras"], "none.cfg cannot be read",
                 id="no cfg"),
    pytest.param("zoo.convert", ["preset=m.onnx", "output=a.keras"],
                 "preset=m.onnx is exported, without the layers", id="convert an export"),
    pytest.param("zoo.verify", ["preset=m.onnx", "cfg=a.cfg"],
                 "preset=m.onnx is exported, without the layers", id="verify an export"),
    pytest.param("zoo.detect", ["preset=my.cfg", f"source={__file__}"],
                 "preset=my.cfg: a .cfg alone has random weights; python -m zoo.convert cfg=my.cfg",
                 id="detect a cfg"),
    pytest.param("zoo.export", ["preset=my.cfg"],
                 "preset=my.cfg: a .cfg alone has random weights; python -m zoo.convert cfg=my.cfg",
                 id="export a cfg"),
    pytest.param("zoo.evaluate", ["preset=my.cfg", "data=shapes"],
                 "preset=my.cfg: a .cfg alone has random weights; python -m zoo.convert cfg=my.cfg",
                 id="evaluate a cfg"),
    pytest.param("zoo.benchmark", ["preset=my.cfg", "what=model"],
                 "preset=my.cfg: a .cfg alone has random weights; python -m zoo.convert cfg=my.cfg",
                 id="benchmark a cfg"),
    pytest.param("zoo.verify", ["preset=my.keras", "cfg=a.cfg", "weights=a.weights"],
                 "weights=a.weights: preset=my.keras has its own", id="weights of a file"),
    pytest.param("zoo.verify", ["preset=yolov4-tiny-coco", "cfg=a.cfg", "class_names=voc"],
                 "class_names=voc: preset=yolov4-tiny-coco has its own", id="names of a preset"),
    pytest.param("zoo.export", ["preset=yolov4-tiny-coco", "suppress=no"],
                 "zoo.export: suppress='no' must be true or false", id="a word for false"),
    pytest.param("zoo.export", ["preset=yolov4-tiny-coco", "format=[onnx]"],
                 "no format ['onnx']; a name is a text", id="a list for a name"),
    pytest.param("zoo.evaluate", ["preset=yolov4-tiny-coco", "data=shapes", "evaluation.clip=no"],
                 "evaluation: clip='no' must be true or false", id="another word for false"),
    pytest.param("zoo.card", ["preset=yolov4-tiny-coco", "evaluations=nix"],
                 "write evaluations=[nix]", id="no list of evaluations"),
    pytest.param("zoo.card", ["preset=yolov4-tiny-coco", "evaluations=[5]"],
                 "no measured number without a manifest: 5 cannot be read", id="a number"),
    pytest.param("zoo.benchmark", ["what=model", "preset=m.keras", "rounds=0"],
                 "rounds=0: must be a whole number, at least 1", id="no round"),
    pytest.param("zoo.benchmark", ["what=model", "preset=m.keras", "rounds=x"],
                 "rounds=x: must be a whole number, at least 1", id="rounds in words"),
    pytest.param("zoo.benchmark", ["what=model", "preset=m.keras", "batch_sizes=8"],
                 "batch_sizes=8: must be a list; write batch_sizes=[8]", id="no list of sizes"),
    pytest.param("zoo.benchmark", ["what=model", "preset=m.keras", "batch_sizes=[8,0]"],
                 "batch_sizes=0: must be a whole number, at least 1", id="a size of 0"),
    pytest.param("zoo.benchmark", ["data=shapes", "count=abc"],
                 "count=abc: must be a whole number, at least 1", id="count in words"),
    pytest.param("zoo.card", ["preset=yolov4-tiny-coco", "latency=-1"],
                 "latency=-1: must be a whole number", id="fewer rounds than none"),
    pytest.param("zoo.reproduce", ["run=nix", "seeds=0"], "seeds=0: must be", id="no seed"),
    pytest.param("zoo.train", ["data=voc", "data.root=/nowhere"], "/nowhere", id="no folder"),
    pytest.param("zoo.train", ["data=voc"], "data.root", id="no root"),
    pytest.param("zoo.train", ["hydra.job_logging.handlers.file.filename=/nowhere/train.log"],
                 "error: /nowhere/train.log: No such file", id="log file"),
    pytest.param("zoo.train", ["image_size=100"], "multiples of 32", id="size"),
    pytest.param("zoo.train", ["data=shapes", "model.image_size=[96,128]"],
                 "model.image_size=[96, 128] is overruled by image_size=[128, 128]; set image_size",
                 id="size of the model"),
    pytest.param("zoo.train", ["freeze=[bakbone]"], "did you mean backbone?", id="part"),
    pytest.param("zoo.train", ["+model.neck.widht=3"], "takes no 'widht'; did you mean width",
                 id="key of a part"),
    pytest.param("zoo.train", ["optimizer=adamw", "+optimizer.beta_l=0.9"],
                 "did you mean beta_", id="key of a Keras class"),
    pytest.param("zoo.train", ["weights=nothing.keras"], "no file nothing.keras", id="weights"),
    pytest.param("zoo.train", ["batch_size=1000", "data=shapes", "data.images=16", "image_size=64"],
                 "batch_size 1000", id="batch"),
    pytest.param("zoo.browse", ["tracker=null"],
                 "tracker=null: a choice is a name; tracker=none is nothing", id="null tracker"),
    pytest.param("zoo.browse", ["~tracker"],
                 "zoo.browse needs tracker=…; tracker=none is nothing", id="no tracker"),
    pytest.param("zoo.train", ["augment=[]"],
                 "zoo.train needs augment=…; augment=none is nothing", id="list of no augment"),
    pytest.param("zoo.train", ["optimizer=5"],
                 "optimizer=5: a choice is a name; there are: adamw, sgd", id="a number"),
    pytest.param("zoo.train", ["~optimizer"],
                 "zoo.train needs optimizer=…; there are: adamw, sgd", id="no optimizer"),
    pytest.param("zoo.train", ["~seed"], "zoo.train needs seed=…; leave ~seed out", id="no key"),
    pytest.param("zoo.train", ["evaluation=null"],
                 "evaluation=null takes the place of several keys; set evaluation.every=…",
                 id="null of several keys"),
]  # fmt: skip

# Commands one after another in one process: each of its own would import TensorFlow first.
COMMANDS = """
import contextlib, io, json, runpy, sys, traceback
commands, ends = json.load(sys.stdin), []
for command, *arguments in commands:
    sys.argv = [command, *arguments]
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            code = runpy.run_module(command, run_name="__main__", alter_sys=True) and 0
        except SystemExit as end:
            code = end.code
        except BaseException:
            code = traceback.print_exc()
    ends.append((code, said.getvalue()))
print("ends:", json.dumps(ends), sep="")
"""


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """Exit status and standard error of each of `MISTAKES`."""
    folder = tmp_path_factory.mktemp("mistakes")
    commands = []
    for number, (command, arguments, _) in enumerate(case.values for case in MISTAKES):
        quiet = ["tracker=none"] if command == "zoo.train" else []
        commands.append([command, *arguments, *quiet, f"hydra.run.dir={folder / str(number)}"])
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        input=json.dumps(commands), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.partition("ends:")[2])


@pytest.mark.parametrize(
    ("number", "sentence"),
    [pytest.param(n, case.values[2], id=case.id) for n, case in enumerate(MISTAKES)],
)
def test_a_mistake_is_one_sentence(ends, number, sentence):
    code, said = ends[number]
    errors = [line for line in said.splitlines() if line.startswith("error:")]
    assert code == 2, said
    assert len(errors) == 1
    assert sentence in errors[0]
    assert "Traceback" not in said
