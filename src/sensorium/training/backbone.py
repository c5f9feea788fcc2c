"""The learning rate of a backbone, as a share of the head's."""

from sensorium.run_config import Section

FINE_TUNED = 0.1  # of one that begins with trained weights


def backbone_lr_scale(model: Section) -> float:
    """What "auto" stands for: trained weights are corrected in small steps while a new head learns; layer_lr_decay sees
    to that itself.
    """
    given = model["backbone_lr_scale"]
    if given != "auto":
        return float(given)
    begun = model.get("pretrained") or model.get("init") is not None
    return FINE_TUNED if begun and model.get("layer_lr_decay") is None else 1.0
