"""Keypoints and boxes as a numpy archive."""

import io

import numpy as np

from app.answer import Answer
from app.formats.format import Format
from pose_core.skeleton import KEYPOINT_COUNT


def write(answer: Answer) -> bytes:
    """Arrays `keypoints` (people, 133, 3), `boxes` (people, 5: left, top, right, bottom, score) and `size` (w, h)."""
    keypoints = np.zeros((len(answer.poses), KEYPOINT_COUNT, 3), np.float32)
    boxes = np.zeros((len(answer.poses), 5), np.float64)
    for i, pose in enumerate(answer.poses):
        keypoints[i] = pose.keypoints
        boxes[i] = pose.box.left, pose.box.top, pose.box.right, pose.box.bottom, pose.box.score
    archive = io.BytesIO()
    size = np.array([answer.photo_size.width, answer.photo_size.height])
    np.savez_compressed(archive, keypoints=keypoints, boxes=boxes, size=size)
    return archive.getvalue()


FORMAT = Format("application/x-npz", "npz", write)
