"""Layers by name: convolutions, activations and attention; each call gives a Keras layer."""

PARTS = {
    "conv_bn": "zoo.layer.convolution:ConvBN",
    "leaky_relu": "zoo.layer.activations:leaky_relu",
    "linear": "zoo.layer.activations:linear",
    "mish": "zoo.layer.activations:mish",
    "relu": "zoo.layer.activations:relu",
    "sam": "zoo.layer.attention:PointwiseAttention",
    "sigmoid": "zoo.layer.activations:sigmoid",
    "swish": "zoo.layer.activations:swish",
}
