"""Which keys each section may have, and which of them would change what a network computes.

Darknet warns of a key that it does not know and goes on. Here such a key is an error, because a
misspelt one leaves another network behind; delete it if it is really meant to say nothing.
"""

from __future__ import annotations

from zoo.darknet.cfg import Cfg, Section
from zoo.errors import nearest


def _words(text: str) -> set[str]:
    return set(text.split())


#: Training, augmentation, memory and display: no influence on what a network computes.
NET = _words(
    """
    batch subdivisions max_batches learning_rate learning_rate_min sgdr_cycle sgdr_mult momentum
    decay time_steps track augment_speed sequential_subdivisions try_fix_nan loss_scale
    dynamic_minibatch optimized_memory workspace_size_limit_MB adam B1 B2 eps max_crop min_crop flip
    blur gaussian_noise mixup cutmix mosaic mosaic_bound contrastive contrastive_jit_flip
    contrastive_color unsupervised label_smooth_eps resize_step attention adversarial_lr
    max_chart_loss angle aspect saturation exposure hue power policy burn_in equidistant_point
    badlabels_rejection_percentage num_sigmas_reject_badlabels ema_alpha weights_reject_freq
    steps scales seq_scales step scale gamma use_cuda_graph show_receptive_field
    batches_per_cycle batches_cycle_mult
    """
)
#: The same for every layer [parser.c:parse_network_cfg_custom].
ANY_LAYER = _words(
    """
    clip dynamic_minibatch onlyforward dont_update burnin_update stopbackward train_only_bn
    learning_rate stream wait_stream dontload dontloadscales
    """
)
YOLO_TRAINING = _words(
    """
    max jitter resize random show_details track_history_size sim_thresh dets_for_track dets_for_show
    track_ciou_norm embedding_layer
    """
)
#: Those of them, and of some kinds of layers, that Darknet's training heeds and ours does not, with
#: the value that says nothing.
UNHEEDED = {
    **dict.fromkeys(_words(
        "clip onlyforward dont_update burnin_update stopbackward train_only_bn cbn "
        "assisted_excitation grad_centr dropblock"
    ), 0),
    "learning_rate": 1,
}  # fmt: skip
POOL = {"stride", "stride_x", "stride_y", "size", "padding"}

#: What the sections of `zoo.darknet.sections` read, and what has no influence on inference.
KNOWN: dict[str, set[str]] = {
    "net": {"width", "height", "channels", "inputs", "letter_box"} | NET,
    "convolutional": {
        "filters", "groups", "size", "stride", "stride_x", "stride_y", "dilation", "antialiasing",
        "pad", "padding", "activation", "batch_normalize", "cbn", "share_index",
        # of training alone, or without effect where the refused keys are 0
        "assisted_excitation", "grad_centr", "reverse", "dot", "angle",
    },
    "maxpool": POOL | {"maxpool_depth", "out_channels", "antialiasing"},
    "local_avgpool": POOL,
    "avgpool": set(),
    "route": {"layers", "groups", "group_id"},
    "shortcut": {"from", "activation", "weights_type", "weights_normalization"},
    "sam": {"from", "activation"},
    "scale_channels": {"from", "scale_wh", "activation"},
    "upsample": {"stride", "scale"},
    "dropout": {"probability", "dropblock", "dropblock_size_rel", "dropblock_size_abs"},
    "implicit": {"filters", "atoms", "mean", "std", "type"},
    "batchnorm": set(),
    "connected": {"output", "activation", "batch_normalize"},
    "activation": {"activation"},
    "softmax": {"groups", "temperature", "noloss", "spatial"},
    "cost": {"type", "scale", "ratio"},
    "empty": set(),
    "reorg": {"stride"},
    "reorg3d": {"stride"},
    "yolo": {
        "classes", "num", "mask", "anchors", "scale_x_y", "new_coords", "nms_kind", "beta_nms",
        "iou_loss", "iou_normalizer", "obj_normalizer", "cls_normalizer", "delta_normalizer",
        "max_delta", "label_smooth_eps", "objectness_smooth", "iou_thresh_kind", "focal_loss",
        "ignore_thresh", "truth_thresh", "iou_thresh", "counters_per_class",
    } | YOLO_TRAINING,
}  # fmt: skip

#: Keys that change what a layer computes and have no counterpart here, unless they are 0.
REFUSED: dict[str, dict[str, str]] = {
    "convolutional": {
        "binary": "binary weights",
        "xnor": "XNOR-net",
        "bin_output": "binary outputs",
        "use_bin_output": "binary outputs",
        "sway": "deformed kernels",
        "rotate": "deformed kernels",
        "stretch": "deformed kernels",
        "stretch_sway": "deformed kernels",
        "coordconv": "coordinate channels",
        "flipped": "transposed weights",
    },
    "maxpool": {"maxpool_zero_nonmax": "zeroing what is not a maximum"},
    "reorg": {"reverse": "the inverse of reorg"},
    "reorg3d": {"reverse": "the inverse of reorg"},
    "softmax": {"tree": "a tree of classes"},
    "yolo": {"map": "a map of classes"},
}
#: Sections of Darknet that have no counterpart here.
UNSUPPORTED = _words(
    """
    Gaussian_yolo region detection crnn conv_lstm rnn gru lstm history contrastive local crop
    deconvolutional normalization lrn iseg l2norm logistic deconv
    """
)


def check_keys(cfg: Cfg) -> None:
    """Refuse a cfg of which something would be dropped in silence.

    Raises:
        ZooError: a section or a key that is unknown (the nearest is suggested), or that would
            change what the network computes.
    """
    for section in [cfg.net, *cfg.layers]:
        _check_kind(section)
        known = KNOWN[section.kind] | (ANY_LAYER if section.kind != "net" else set())
        refused = REFUSED.get(section.kind, {})
        for key, entry in section.entries.items():
            if key in refused:
                if section.number(key, 0) != 0 or key in ("tree", "map"):
                    raise section.error(f"{key}={entry.value} is not supported: {refused[key]}",
                                        key)  # fmt: skip
            elif key not in known:
                hint = nearest(key, known | set(refused))
                raise section.error(f"unknown key {key!r}, which Darknet ignores; {hint}", key)


def _check_kind(section: Section) -> None:
    if section.kind in UNSUPPORTED:
        raise section.error("this kind of section is not supported")
    if section.kind not in KNOWN or (section.kind == "net") != (section.index < 0):
        kinds = set(KNOWN) - {"net"}
        raise section.error(f"no such kind of layer; {nearest(section.kind, kinds)}")


def unheeded(cfg: Cfg) -> str:
    """The keys of layers that say something of training and have no effect here, with their lines.

    Not those of [net] and of [yolo], which every cfg has: what trains here is a config.
    """
    lines: dict[str, list[str]] = {}
    for section in cfg.layers:
        for key, entry in section.entries.items():
            if key in UNHEEDED and section.number(key, 0) != UNHEEDED[key]:
                lines.setdefault(key, []).append(str(entry.line))
    return ", ".join(
        f"{key} (line{'s' * (len(found) > 1)} {', '.join(found)})" for key, found in lines.items()
    )
