"""Layers by name: convolutions, activations and attention; each call gives a Keras layer."""

PARTS = {
    "conv_bn": "zoo.layers.convolution:ConvBN",
    "leaky_relu": "zoo.layers.activations:leaky_relu",
    "linear": "zoo.layers.activations:linear",
    "mish": "zoo.layers.activations:mish",
    "relu": "zoo.layers.activations:relu",
    "sigmoid": "zoo.layers.activations:sigmoid",
    "swish": "zoo.layers.activations:swish",
}
