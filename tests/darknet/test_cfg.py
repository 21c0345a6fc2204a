"""The grammar of a cfg and what it refuses."""

import re

import pytest

from zoo.darknet.cfg import parse, read_cfg, to_bytes
from zoo.darknet.keys import unheeded
from zoo.darknet.plan import plan
from zoo.errors import ZooError

NET = "[net]\nwidth=64\nheight=32\nchannels=3\n"  # four lines


def first(text):
    return parse(NET + text).layers[0]


# === Grammar ===


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        pytest.param("[conv]\nsize=3\nsize=5", "size", 3, id="the first of equal keys wins"),
        pytest.param("[conv]\n s i z e\t= 1 2 \r", "size", 12, id="whitespace is deleted anywhere"),
        pytest.param("[conv]\nsize=7x#2", "size", 7, id="junk after digits is ignored"),
        pytest.param("[conv]\nsize=x7", "size", 0, id="no digits are 0"),
        pytest.param("[conv]\nsize=-3.9", "size", -3, id="atoi stops at the point"),
        pytest.param("[conv]\nsize=1e3", "size", 1, id="atoi knows no exponent"),
        pytest.param("[conv]\n#size=5\n;size=6\n\n \nfilters=1", "size", 9, id="comments, blanks"),
        pytest.param("[conv]\nsize=3=4", "size", 3, id="split at the first ="),
        pytest.param("[conv]\nSize=3", "size", 9, id="case counts"),
    ],
)
def test_integers(text, key, expected):
    assert first(text).integer(key, 9) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(".5", 0.5, id="no leading digit"),
        pytest.param("1.05abc", 1.05, id="junk"),
        pytest.param("-2.5e-1", -0.25, id="exponent"),
        pytest.param("nan", 0.0, id="no number is 0"),
    ],
)
def test_numbers(value, expected):
    assert first(f"[yolo]\nscale_x_y={value}").number("scale_x_y", 1) == expected


def test_lists_stop_at_a_comment_and_an_empty_item_is_0():
    section = first("[yolo]\nmask = 3, 4,5 # 6,7\nanchors=10,14,  23.5,27,")
    assert section.integers("mask") == [3, 4, 5]
    assert section.numbers("anchors") == [10, 14, 23.5, 27, 0]
    assert section.integers("steps") == []


def test_aliases_lines_and_indices():
    cfg = parse("\n# x\n[network]\nwidth=1\n\n[max]\nsize=2\n[conn]\n[local_avg]\n")
    assert (cfg.net.kind, cfg.net.line, cfg.net.index) == ("net", 3, -1)
    assert [(s.kind, s.line, s.index) for s in cfg.layers] == [
        ("maxpool", 6, 0),
        ("connected", 8, 1),
        ("local_avgpool", 9, 2),
    ]
    assert cfg.layers[0].entries["size"].line == 7


@pytest.mark.parametrize("line", ["filters", "filters=", "filters 32"])
def test_a_malformed_line_is_reported_once_and_ignored(line, tmp_path, caplog):
    (tmp_path / "my.cfg").write_text(f"{NET}[conv]\n{line}\nsize=3")
    cfg = read_cfg(tmp_path / "my.cfg")
    section = plan(cfg.text).layers[0].section  # as what holds the text parses it again
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.text.rstrip().endswith(
        f"my.cfg, line 6, [convolutional]: malformed line ignored: {line.replace(' ', '')!r}"
    )
    assert section.integer("filters", 1) == 1
    assert section.integer("size", 1) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "its first section must be", id="empty"),
        pytest.param("[conv]\nsize=3", "its first section must be", id="no [net]"),
        pytest.param("width=3\n[net]", "line 1: 'width=3' stands before", id="no section"),
        pytest.param("\x7fELF\x02\x01", "stands before any", id="a binary"),
        pytest.param("[net]\n" + "#" * (1 << 22), "4,194,304 characters", id="endless"),
    ],
)
def test_no_cfg(text, message):
    with pytest.raises(ZooError, match=re.escape(message)):
        parse(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(NET.encode("utf-8-sig"), "begins with a byte-order mark, .* without one",
                     id="UTF-8 of Windows"),
        pytest.param(NET.encode("utf-16"), "begins with a byte-order mark", id="UTF-16"),
        pytest.param(bytes([2, 0, 0, 0, 5]) * (1 << 20), "my.cfg is no cfg: it holds NUL bytes, as "
                     "weights or a picture do$", id="weights, of five megabytes"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_plain_text(content, message, tmp_path):
    (tmp_path / "my.cfg").write_bytes(content)
    with pytest.raises(ZooError, match=message):
        read_cfg(tmp_path / "my.cfg")


def test_a_file_is_kept_to_the_byte(tmp_path):
    content = b"[net]\r\nwidth=8 # caf\xe9 \xc3\xa9\n[avgpool]"  # neither UTF-8 nor ASCII
    (tmp_path / "a.cfg").write_bytes(content)
    cfg = read_cfg(tmp_path / "a.cfg")
    assert to_bytes(cfg.text) == content
    assert cfg.source == "a.cfg"
    with pytest.raises(ZooError, match=r"none.cfg cannot be read: No such file"):
        read_cfg(tmp_path / "none.cfg")


# === What would change the numbers in silence is an error that names the line ===

CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=linear\n"  # lines 5 to 9 after NET
THREE = "[conv]\nfilters=3\nactivation=linear\n"  # keeps the channels


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param("[conv]\nfilter=4", 6, "unknown key 'filter', which Darknet ignores; did you "
                     "mean filters", id="misspelt key"),
        pytest.param("[convolution]", 5, "did you mean convolutional?", id="misspelt section"),
        pytest.param("[net]\nwidth=3", 5, "no such kind", id="a second [net]"),
        pytest.param("[Gaussian_yolo]", 5, "not supported", id="Gaussian_yolo"),
        pytest.param("[region]", 5, "not supported", id="region"),
        pytest.param("[crnn]", 5, "not supported", id="crnn"),
        pytest.param("[conv]\nxnor=1", 6, "xnor=1 is not supported: XNOR-net", id="xnor"),
        pytest.param("[conv]\nbinary=1", 6, "binary weights", id="binary"),
        pytest.param("[conv]\nrotate=1", 6, "deformed kernels", id="rotate"),
        pytest.param("[conv]\ncoordconv=1", 6, "coordinate channels", id="coordconv"),
        pytest.param("[conv]\nactivation=mush", 6, "no activation 'mush'; did you mean mish",
                     id="Darknet would take ReLU"),
        pytest.param("[conv]\nactivation=normalize_channels", 6, "not supported",
                     id="across channels"),
        pytest.param("[conv]\nfilters=1000000000", 6, "filters=1000000000 must be from 1 to",
                     id="absurd filters"),
        pytest.param("[conv]\nfilters=1000000\nsize=1000\npad=1", 5, "more than the 2,147,483,648",
                     id="more weights than memory"),
        pytest.param(f"[conv]\nfilters={'9' * 5000}", 6, "must be from 1 to 1,048,576",
                     id="more digits than Python reads"),
        pytest.param("[softmax]\ntree=data/9k.tree", 6, "a tree of classes", id="tree in a folder"),
        pytest.param("[yolo]\nmap=data/9k.map", 6, "a map of classes", id="map in a folder"),
        pytest.param("[conv]\nfilters=-1", 6, "filters=-1 must be", id="negative filters"),
        pytest.param("[conv]\nsize=0", 6, "size=0 must be", id="no kernel"),
        pytest.param("[conv]\nsize=99", 5, "nothing is left", id="kernel larger than the map"),
        pytest.param("[conv]\ngroups=2\nfilters=4", 6, "groups=2 divides not both 3", id="groups"),
        pytest.param("[conv]\nfilters=4\nsize=4\ndilation=2\npad=1", 8, "odd size", id="dilation"),
        pytest.param("[conv]\nshare_index=-1", 6, "names no layer before", id="shares nothing"),
        pytest.param(CONV + "[conv]\nfilters=8\nshare_index=-1", 12, "other settings",
                     id="shares another shape"),
        pytest.param(CONV + CONV + "share_index=-1", 15, "other settings",
                     id="shares with other inputs"),
        pytest.param(THREE + THREE + "stride=2\nshare_index=-1", 12, "other settings",
                     id="shares with another stride"),
        pytest.param(THREE + THREE + "antialiasing=1\nshare_index=-1", 12, "other settings",
                     id="shares with a blur"),
        pytest.param(THREE + (THREE + "share_index=-1\n") * 2, 15, "no convolution of its own",
                     id="shares what is shared"),
        pytest.param("[empty]\n" + THREE + "share_index=-1", 9, "no convolution of its own",
                     id="shares no convolution"),
        pytest.param("[route]\nlayers=0", 6, "layers=0 names no layer before this one (layer 0)",
                     id="itself"),
        pytest.param("[route]", 5, "layers= is missing", id="no layers"),
        pytest.param(CONV + "[route]\nlayers=-3", 11, "layers=-3 names no layer", id="before all"),
        pytest.param(CONV + "[max]\nsize=2\nstride=2\n[route]\nlayers=-1,-2", 14,
                     "layer 0 has sides 32×64, where 16×32 are needed", id="route of two sizes"),
        pytest.param(CONV + "[route]\nlayers=0\ngroups=3", 12, "not 3 equal groups", id="thirds"),
        pytest.param(CONV + "[route]\nlayers=0\ngroups=2\ngroup_id=2", 13, "none of 2 groups",
                     id="third half"),
        pytest.param(CONV + "[max]\nsize=2\nstride=2\n[shortcut]\nfrom=0", 14, "layer 0 has sides",
                     id="shortcut of two sizes"),
        pytest.param(CONV + CONV + "[shortcut]\nfrom=0\nweights_type=per_pixel", 17,
                     "per_pixel is none of", id="weights_type"),
        pytest.param(CONV + "[conv]\nfilters=3\n[sam]\nfrom=0", 13, "has shape (32, 64, 4)",
                     id="sam of two shapes"),
        pytest.param(CONV + "[avg]\n[conv]\nfilters=3\n[scale_channels]\nfrom=0", 14,
                     "its factors must have (1, 1, 4)", id="scale of other channels"),
        pytest.param("[upsample]\nstride=0", 6, "stride=0 must be", id="no upsampling"),
        pytest.param("[upsample]\nstride=-3", 6, "is no multiple of 3", id="uneven blocks"),
        pytest.param("[reorg3d]\nstride=3", 6, "is no multiple of stride=3", id="uneven reorg"),
        pytest.param("[dropout]\nprobability=1", 6, "must be in [0, 1)", id="drops all"),
        pytest.param("[softmax]", 5, "it needs sides of 1", id="softmax over a map"),
        pytest.param("[avg]\n[softmax]\ngroups=2", 6, "a softmax of 2 groups over (1, 1, 3)",
                     id="halves of three channels"),
        pytest.param("[avg]\n[softmax]\ntemperature=0", 7, "temperature=0.0 must be positive",
                     id="no temperature"),
        pytest.param("[max]\nmaxpool_depth=1\nout_channels=4", 7, "out_channels=4 exceeds 3",
                     id="more channels than there are"),
        pytest.param("[max]\nmaxpool_depth=1\nantialiasing=1", 7, "maxpool_depth with antialiasing",
                     id="blurred depth"),
        pytest.param("[reorg]\nstride=2", 6, "3 channels are no multiple of 2²", id="odd reorg"),
        pytest.param("[upsample]\nstride=-65", 6, "stride=-65 must be from 1 to 64", id="vast"),
        pytest.param("[softmax]\ntree=9k.tree", 6, "a tree of classes", id="tree"),
        pytest.param("[yolo]\nclasses=1", 6, "1 anchors of 1 classes need 6 channels",
                     id="channels of a head"),
        pytest.param("[conv]\nfilters=6\n[yolo]\nclasses=1\nnum=3\nmask=3", 10,
                     "mask=3 is none of num=3 anchors", id="the num of cspx-p7-mish.cfg"),
        pytest.param("[maxpool]\nsize=2\npadding=9", 7, "leaves windows of size=2 empty",
                     id="empty windows"),
    ],
)  # fmt: skip
def test_an_error_names_the_line(text, line, message):
    with pytest.raises(ZooError) as caught:
        plan(parse(NET + text, "my.cfg"))
    assert str(caught.value).startswith(f"my.cfg, line {line}, [")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        pytest.param("[net]\nwidth=8\nchannels=3", "height=0 must be", id="no height"),
        pytest.param(NET + "inputs=7", "without an image", id="inputs"),
        pytest.param(NET + "widht=3", "did you mean width", id="misspelt"),
        pytest.param(NET, "has 0 layers", id="no layers"),
        pytest.param(NET + "[avgpool]\n" * 10_001, "has 10,001 layers", id="endless"),
    ],
)
def test_errors_of_the_whole(net, message):
    with pytest.raises(ZooError, match=message):
        plan(net + ("\n[avgpool]" if "layers" not in message else ""))


def test_keys_of_training_have_no_influence():
    text = "[conv]\nfilters=4\nstopbackward=1\nlearning_rate=2\nclip=1\nassisted_excitation=9"
    planned = plan(NET + text + "\nxnor=0\nbinary=0")
    assert planned.parameters == 4 * 3 + 4


def test_keys_of_training_without_effect_are_listed():
    """Not those that say what Darknet does anyway, nor those of training as a whole."""
    keys = "learning_rate=2\nclip=0\nstopbackward=1\ncbn=1"  # lines 7 to 10
    text = f"[conv]\nfilters=3\n{keys}\n[conv]\nfilters=3\nlearning_rate=1\ncbn=1\n"
    yolo = "[conv]\nfilters=6\n[yolo]\nclasses=1\nmax=9\njitter=.1\nrandom=1\n"
    found = unheeded(parse(f"{NET}{text}[dropout]\ndropblock=1\n{yolo}"))
    assert found == (
        "learning_rate (line 7), stopbackward (line 9), cbn (lines 10, 14), dropblock (line 16)"
    )
