"""Random small cfgs, drawn from the grammar, for property tests."""

from hypothesis import strategies as st

from zoo.darknet.plan import plan

ACTIVATIONS = st.sampled_from(["linear", "leaky", "mish", "swish", "logistic", "relu"])


class Drawing:
    """A cfg that grows by sections that fit what is there."""

    def __init__(self, draw):
        self.draw = draw
        height, width = (32 * draw(st.integers(1, 2)) for _ in range(2))
        self.sections = [f"[net]\nheight={height}\nwidth={width}\nchannels=3"]
        self.conv()

    @property
    def text(self):
        return "\n\n".join(self.sections) + "\n"

    @property
    def shapes(self):
        return [layer.output for layer in plan(self.text).layers]

    def add(self, kind, **keys):
        lines = [f"{key.rstrip('_')} = {value}" for key, value in keys.items()]
        self.sections.append("\n".join([f"[{kind}]", *lines]))

    def one(self, *choices):
        return self.draw(st.sampled_from(choices))

    def alike(self, channels=None):
        """Indices of layers with the sides, and the channels if asked for, of the last one."""
        *before, last = self.shapes
        return [i for i, shape in enumerate(before)
                if shape[:2] == last[:2] and (channels is None or shape == last)]  # fmt: skip

    # === Moves ===

    def conv(self, filters=None):
        # Of the image only 1 and 3 divide the channels.
        channels = self.shapes[-1].channels if len(self.sections) > 1 else 3
        groups = self.one(*(g for g in (1, 2, channels) if channels % g == 0))
        filters = filters or groups * self.draw(st.integers(1, max(1, 8 // groups)))
        keys = {"filters": filters, "size": self.one(1, 3), "pad": 1}
        if groups > 1 and filters % groups == 0:
            keys["groups"] = groups
        if self.one(True, False):
            keys["batch_normalize"] = 1
        if self.large and self.one(True, False):
            keys["stride"] = 2
            if self.one(True, False):
                keys["antialiasing"] = 1
        self.add("convolutional", **keys, activation=self.draw(ACTIVATIONS))

    @property
    def large(self):
        return len(self.sections) == 1 or min(self.shapes[-1][:2]) % 4 == 0

    def pool(self):
        kind = self.one("maxpool", "local_avgpool")
        self.add(kind, size=self.one(2, 3), stride=2 if self.large else 1)

    def route(self):
        *_, last = shapes = self.shapes
        if last.channels % 2 == 0 and self.one(True, False):
            self.add("route", layers=-1, groups=2, group_id=self.one(0, 1))
        elif found := [i for i in self.alike() if shapes[i].channels <= 16]:
            self.add("route", layers=f"-1,{self.one(*found)}")

    def shortcut(self):
        if not (found := self.alike()):
            return
        count = self.draw(st.integers(1, min(3, len(found))))
        sources = ",".join(str(self.one(*found)) for _ in range(count))
        keys = {"from_": sources, "activation": self.draw(ACTIVATIONS)}
        if (kind := self.one("none", "per_feature", "per_channel")) != "none":
            normalization = self.one("none", "relu", "softmax")
            keys |= {"weights_type": kind, "weights_normalization": normalization}
        self.add("shortcut", **keys)

    def sam(self):
        if found := self.alike(channels=True):
            self.add("sam", from_=self.one(*found), activation="logistic")

    def squeeze(self):
        index, channels = len(self.sections) - 2, self.shapes[-1].channels
        self.add("avgpool")
        self.conv_one(channels)
        self.add("scale_channels", from_=index)

    def conv_one(self, filters):
        self.add("convolutional", filters=filters, activation="logistic")

    def implicit(self):
        index, channels = len(self.sections) - 2, self.shapes[-1].channels
        self.add("implicit", filters=channels)
        self.add("scale_channels", from_=index)

    def plain(self):
        self.add(self.one("batchnorm", "dropout", "empty"))

    def grow(self):
        if max(self.shapes[-1][:2]) <= 16:
            self.add("upsample", stride=2)

    def reorg(self):
        if self.large and self.shapes[-1].channels <= 4:
            self.add(self.one("reorg3d", "reorg" if self.shapes[-1].channels == 4 else "reorg3d"),
                     stride=2)  # fmt: skip

    MOVES = (conv, conv, pool, route, shortcut, sam, squeeze, implicit, plain, grow, reorg)

    # === Ends ===

    def head(self, classes, anchors):
        image = self.shapes[0]
        found = [i for i, shape in enumerate(self.shapes) if shape[:2] != (1, 1)]
        self.add("route", layers=self.one(*found))
        mask = self.draw(st.lists(st.integers(0, anchors - 1), min_size=1, max_size=2, unique=True))
        self.conv_one(len(mask) * (classes + 5))
        assert image
        sides = ", ".join(str(3 + number) for number in range(2 * anchors))
        self.add("yolo", classes=classes, num=anchors, mask=",".join(map(str, mask)),
                 anchors=sides, scale_x_y=self.one(1, 1.05))  # fmt: skip

    def classify(self):
        self.add("avgpool")
        if self.one(True, False):
            normalize = self.one(0, 1)
            self.add("connected", output=5, batch_normalize=normalize, activation="linear")
        self.add("softmax")


@st.composite
def cfgs(draw):
    """The text of a cfg with up to three heads, or of a classifier."""
    drawing = Drawing(draw)
    for move in draw(st.lists(st.sampled_from(Drawing.MOVES), min_size=2, max_size=8)):
        move(drawing)
    heads = draw(st.integers(0, 3))
    classes, anchors = draw(st.integers(1, 3)), draw(st.integers(2, 4))
    for _ in range(heads):
        drawing.head(classes, anchors)
    if not heads:
        drawing.classify()
    return drawing.text
