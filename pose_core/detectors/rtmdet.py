"""RTMDet as OpenMMLab exports it: normalised input, suppression inside the graph.

Source: RTMDet (Lyu et al., 2022), mmdeploy's detection export: outputs `dets` (1, N, 5) and `labels` (1, N).
"""

import cv2
import numpy as np

from pose_core.detectors.detector import DetectorSpec, input_size
from pose_core.detectors.yolox import people_of_graph
from pose_core.geometry import fill_tensor, letterbox, letterbox_ratio, normalise_table
from pose_core.session import Session
from pose_core.steps import NetworkRun, Steps, require_finite
from pose_core.timing import Timer
from pose_core.types import Image, PersonBox, Size

BGR_MEAN = (103.53, 116.28, 123.675)
BGR_STD = (57.375, 57.12, 58.395)


def detect(
    session: Session, spec: DetectorSpec, image: Image, threshold: float, timer: Timer
) -> Steps[list[PersonBox]]:
    """People scoring above the threshold, best first; see `Detect`."""
    size = input_size(session, spec)
    with timer("letterbox"):
        canvas = letterbox(image, size)
        if spec.channels == "bgr":
            canvas = cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR)
        tensor = np.empty((1, 3, size.height, size.width), np.float32)
        fill_tensor(canvas, normalise_table(BGR_MEAN, BGR_STD), tensor[0])
    outputs = yield NetworkRun(session, tensor, "detector")
    with timer("nms"):
        require_finite(outputs["dets"], session)
        return people_of_graph(outputs, letterbox_ratio(Size.of(image), size), threshold)
