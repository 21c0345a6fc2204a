"""From labelled images to batches: sources, geometry, transforms, the loader. NumPy throughout."""

PARTS = {
    "coco_json": "zoo.data.sources.coco:coco_json",
    "folders": "zoo.data.sources.folders:folders",
    "shapes": "zoo.data.sources.shapes:Shapes",
    "tfds": "zoo.data.sources.tfds:Tfds",
    "tfds_classes": "zoo.data.sources.tfds:TfdsClasses",
    "voc": "zoo.data.sources.voc:voc",
    "yolo": "zoo.data.sources.yolo:yolo",
}
