"""What the published recipes share: data, resolutions, and the files they start from.

Paths are below the data folder; `docs/training.md` says how to fill it. Source: configurations of
IDEA-Research/DWPose@0232d66 and open-mmlab/mmpose@759b39c1.
"""

from typing import NamedTuple

from pose_core.codecs import SimCC
from pose_core.types import Size
from training.recipe import LIGHT_AUGMENTATION, Augmentation, Data, Network, Source


class Resolution(NamedTuple):
    """What changes with the input size.

    Attributes:
        input_size: of the crops.
        codec: with labels to go with it.
        batch_size: over all devices; the learning rate is the same for both.
        per_device: samples on each of the eight devices of the published runs. Their ground-truth loss is summed over
            these, so this is its weight beside a mean.
    """

    input_size: Size
    codec: SimCC
    batch_size: int
    per_device: float


LOW = Resolution(Size(width=192, height=256), codec=SimCC(sigma=(4.9, 5.66)), batch_size=512, per_device=64.0)
HIGH = Resolution(Size(width=288, height=384), codec=SimCC(sigma=(6.0, 6.93)), batch_size=256, per_device=32.0)

COCO = Source(
    dataset="coco_wholebody", annotations="coco/annotations/coco_wholebody_train_v1.0.json", images="coco/train2017"
)
COCO_VAL = Source(
    dataset="coco_wholebody", annotations="coco/annotations/coco_wholebody_val_v1.0.json", images="coco/val2017"
)
UBODY = Source(
    dataset="ubody",
    annotations="UBody/annotations",
    images="UBody/images",
    options=(("test_videos", "UBody/splits/intra_scene_test_list.npy"),),
)

COCO_ONLY = Data(train=(COCO,), val=COCO_VAL)
COCO_UBODY = Data(train=(COCO, UBODY), val=COCO_VAL)

WIDE_AUGMENTATION = Augmentation(scale=0.5, rotation=(0.6, 90.0))
"""That of RTMPose-x."""

WIDE_LIGHT_AUGMENTATION = Augmentation(
    shift=LIGHT_AUGMENTATION.shift, scale=0.5, rotation=(0.6, 90.0), dropout=LIGHT_AUGMENTATION.dropout
)

BODY_WEIGHTS = {
    "t": "weights/cspnext-tiny_udp-aic-coco_210e-256x192-cbed682d_20230130.pth",
    "s": "weights/cspnext-s_udp-aic-coco_210e-256x192-92f5a029_20230130.pth",
    "m": "weights/cspnext-m_udp-aic-coco_210e-256x192-f2f7d6f6_20230130.pth",
    "l": "weights/cspnext-l_udp-aic-coco_210e-256x192-273b7631_20230130.pth",
    "x": "weights/cspnext-x_udp-body7_210e-384x288-d28b58e6_20230529.pth",
}
"""Networks of 17 body points whose backbones every published run starts from; where the paper says "from scratch", only
the head is."""

DOWNLOADS = "https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/"
"""Where the files of `weights/` are published."""


def pretrained(size: str) -> Network:
    """A student with the backbone of a body network and a fresh head."""
    return Network(model=f"rtmpose-{size}", weights=BODY_WEIGHTS[size], load="backbone")
