"""From an annotated person to a sample: the crop a network sees, and the keypoints in it.

The photo is read and cut once, by the functions that serving uses; then the crop's pixels are changed.
"""

from typing import NamedTuple

import cv2
import numpy as np

from pose_core.geometry import crop_image, photo_to_crop
from pose_core.types import Image, Size
from training.data.augment import View, draw_view, mirror_keypoints, plain_view
from training.data.pictures import PictureReader, reduced_matrix, reduction_for
from training.data.pixels import apply_change, draw_change
from training.data.records import Person, Picture, WeightedKeypoints
from training.recipe import Augmentation


class Sample(NamedTuple):
    """A crop, and the keypoints in its pixels with their weights."""

    crop: Image
    keypoints: WeightedKeypoints


def plain_sample(person: Person, input_size: Size, reader: PictureReader) -> Sample:
    """A person exactly as serving would show it to a network.

    Raises:
        InvalidImage: the photo cannot be read.
    """
    view = plain_view(person, input_size)
    crop = crop_of(person.picture, view, input_size, reader, reduce=False)
    return Sample(crop, keypoints_in_view(person.keypoints, view, person.picture.size.width))


def draw_sample(
    person: Person, input_size: Size, augmentation: Augmentation, random: np.random.Generator, reader: PictureReader
) -> Sample:
    """A person seen at random.

    Raises:
        InvalidImage: the photo cannot be read.
    """
    view = draw_view(person, input_size, augmentation, random)
    change = draw_change(augmentation, input_size, random)
    crop = crop_of(person.picture, view, input_size, reader, reduce=True)
    return Sample(apply_change(crop, change), keypoints_in_view(person.keypoints, view, person.picture.size.width))


def crop_of(picture: Picture, view: View, input_size: Size, reader: PictureReader, *, reduce: bool) -> Image:
    """The crop that a view shows.

    Args:
        picture: the photo.
        view: what of it.
        input_size: of the crop.
        reader: who reads the photo.
        reduce: whether the photo may be decoded at a reduced size, see `training.data.pictures`.

    Raises:
        InvalidImage: the photo cannot be read.
    """
    photo, reduction = reader.read(picture, reduction_for(view.region, input_size) if reduce else 1)
    overhang_px = 0
    if view.mirrored:
        # a matrix that mirrors would spare this copy, but warpAffine rounds to 1/32 pixel, halves always upwards: seen
        # from the other side that changes 0.4 % of the bytes
        photo = cv2.flip(photo, 1)
        overhang_px = photo.shape[1] * reduction - picture.size.width
    return crop_image(photo, reduced_matrix(view.matrix, reduction, overhang_px), input_size)


def keypoints_in_view(keypoints: WeightedKeypoints, view: View, photo_width: int) -> WeightedKeypoints:
    """Keypoints of a photo in pixels of the crop; their weights stay."""
    seen = mirror_keypoints(keypoints, photo_width) if view.mirrored else keypoints.copy()
    seen[:, :2] = photo_to_crop(seen[:, :2], view.matrix)
    return seen
