"""What a detector is exported to, and what runs it then. One file a format; no backend at import.

A format writes a traced TensorFlow function with its metadata into one file (or directory), and
opens such a file as a function of arrays, with the engine that is made for it.
"""

PARTS = {
    "litert": "zoo.format.litert:LiteRT",
    "onnx": "zoo.format.onnx:Onnx",
    "openvino": "zoo.format.openvino:OpenVINO",
    "saved_model": "zoo.format.saved_model:SavedModel",
}
