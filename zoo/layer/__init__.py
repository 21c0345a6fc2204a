"""Layers by name: convolutions, activations and attention; each call gives a Keras layer."""

PARTS = {
    "conv_bn": "zoo.layer.convolution:ConvBN",
    "elu": "zoo.layer.activations:elu",
    "gelu": "zoo.layer.activations:gelu",
    "hard_mish": "zoo.layer.activations:hard_mish",
    "hard_tanh": "zoo.layer.activations:hard_tanh",
    "leaky_relu": "zoo.layer.activations:leaky_relu",
    "lhtan": "zoo.layer.activations:lhtan",
    "linear": "zoo.layer.activations:linear",
    "loggy": "zoo.layer.activations:loggy",
    "mish": "zoo.layer.activations:mish",
    "plse": "zoo.layer.activations:plse",
    "ramp": "zoo.layer.activations:ramp",
    "relie": "zoo.layer.activations:relie",
    "relu": "zoo.layer.activations:relu",
    "relu6": "zoo.layer.activations:relu6",
    "selu": "zoo.layer.activations:selu",
    "sigmoid": "zoo.layer.activations:sigmoid",
    "stair": "zoo.layer.activations:stair",
    "swish": "zoo.layer.activations:swish",
    "tanh": "zoo.layer.activations:tanh",
}
