"""`python -m zoo.evaluate`: COCO numbers of a preset, a run or an export on labelled images.

Of a run of task=classification it is top-1 and top-5, on images of one class each.
"""

from __future__ import annotations

import json
from pathlib import Path

from omegaconf import DictConfig

from zoo.command import command
from zoo.config import plain
from zoo.format.contract import refuse_cfg
from zoo.signature import check_call


@command("evaluate")
def main(cfg: DictConfig) -> float:
    """Evaluate, write scores, detections, manifest and report, print the table, return AP.

    Of a classifier there are scores and report; AP is top-1 then.
    """
    from hydra.core.hydra_config import HydraConfig

    import zoo
    from zoo.cards import not_clean
    from zoo.classifier import BackboneClassifier
    from zoo.data.sources import open_source
    from zoo.evaluation.classification import accuracy, options_of
    from zoo.evaluation.pictures import save_examples
    from zoo.evaluation.report import print_darknet, print_metrics
    from zoo.evaluation.run import evaluate
    from zoo.evaluation.save import save_evaluation
    from zoo.model_card.evidence import evaluation_manifest
    from zoo.report.page import write_report
    from zoo.training.manifest import refuse_training

    settings = plain(cfg)
    hydra = HydraConfig.get()
    directory = Path(hydra.runtime.output_dir)
    refuse_cfg(settings["preset"])
    refuse_training(directory)
    keys = settings["evaluation"]
    check_call("evaluation", evaluate, (None, None), keys, {"progress": True, "between": None})
    source = open_source(settings["data"], settings["split"])
    detector = zoo.load(settings["preset"])
    title = f"{settings['preset']} on {len(source)} images"
    if isinstance(detector, BackboneClassifier):
        shares = accuracy(detector, source, **options_of(settings["evaluation"]))
        (directory / "metrics.json").write_text(json.dumps(shares, indent=2) + "\n")
        print_metrics(shares, title=title)
        print(f"report: {write_report(directory)}")
        return shares["top1"]
    result = evaluate(detector, source, progress=True, **settings["evaluation"])
    # An exported file says what it was made from, if that was said.
    origin = getattr(detector, "metadata", {}).get("preset") or settings["preset"]
    warning = not_clean(origin, source.category_ids, source.class_names)
    scores = {**result.metrics, **({"warning": warning} if warning else {})}
    (directory / "metrics.json").write_text(json.dumps(scores, indent=2) + "\n")
    (directory / "detections.json").write_text(json.dumps(result.detections) + "\n")
    save_examples(detector, source, directory / "examples.png")
    found = save_evaluation(result, directory, settings=settings["evaluation"])
    manifest = evaluation_manifest(
        settings,
        rules=hydra.runtime.choices["evaluation"],
        detector=detector,
        source=source,
        found=found,
        warning=warning,
    )
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    print_metrics(result.metrics, title=title, caption=warning)
    print_darknet(found["darknet"])
    if result.cut:
        print(
            f"in {result.cut} images NMS stopped at max_candidates with fewer than max_detections "
            "kept; raise evaluation.max_candidates"
        )
    print(f"report: {write_report(directory)}")
    return result.metrics["AP"]


if __name__ == "__main__":
    main()
