"""From an annotated person to a sample: the crop a network sees, and the keypoints in it.

The photo is read and cut once, by the functions that serving uses; then the crop's pixels are changed.
"""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float64

from pose_core.geometry import crop_image, photo_to_crop
from pose_core.types import Image, Size
from training.data.augment import View, draw_view, mirror_keypoints, plain_view
from training.data.cuts import Window
from training.data.neighbours import paste_neighbour
from training.data.pictures import PictureReader, reduced_matrix, reduction_for
from training.data.pixels import apply_change, draw_change
from training.data.records import Person, Picture, WeightedKeypoints
from training.recipe import Augmentation


class Sample(NamedTuple):
    """A crop, the keypoints in its pixels with their weights, and which of them the cut photo still shows."""

    crop: Image
    keypoints: WeightedKeypoints
    shown_K: Bool[np.ndarray, "points"]


def plain_sample(person: Person, input_size: Size, reader: PictureReader) -> Sample:
    """A person exactly as serving would show it to a network.

    Raises:
        InvalidImage: the photo cannot be read.
    """
    view = plain_view(person, input_size)
    crop = crop_of(person.picture, view, input_size, reader, reduce=False)
    return Sample(crop, keypoints_in_view(person, view), shown_in(person, view))


def draw_sample(
    person: Person,
    input_size: Size,
    augmentation: Augmentation,
    random: np.random.Generator,
    reader: PictureReader,
    *,
    neighbour: Image | None = None,
) -> Sample:
    """A person seen at random.

    Args:
        person: who.
        input_size: of the crop.
        augmentation: how views and pixels vary.
        random: decides.
        reader: who reads the photo.
        neighbour: `neighbour_crop` of somebody else, pasted into the crop; points that are covered keep their labels,
            as those under a black hole do.

    Raises:
        InvalidImage: the photo cannot be read.
    """
    view = draw_view(person, input_size, augmentation, random)
    change = draw_change(augmentation, input_size, random)
    crop = crop_of(person.picture, view, input_size, reader, reduce=True)
    if neighbour is not None:
        crop = paste_neighbour(crop, neighbour, random)
    keypoints = keypoints_in_view(person, view)
    return Sample(apply_change(crop, change), keypoints, shown_in(person, view))


def neighbour_crop(person: Person, input_size: Size, reader: PictureReader) -> Image:
    """Somebody as `training.data.neighbours.paste_neighbour` takes them: the plain view, of a reduced photo.

    Raises:
        InvalidImage: the photo cannot be read.
    """
    return crop_of(person.picture, plain_view(person, input_size), input_size, reader, reduce=True)


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
    matrix = reduced_matrix(view.matrix, reduction, overhang_px)
    if view.window:
        photo, matrix = cut_photo(photo, matrix, view.window, reduction, overhang_px)
    return crop_image(photo, matrix, input_size)


def cut_photo(
    photo: Image, matrix: Float64[np.ndarray, "2 3"], window: Window, reduction: int, overhang_px: int
) -> tuple[Image, Float64[np.ndarray, "2 3"]]:
    """A reduced photo without what lies outside a window, to the pixel of the reduced photo, and its matrix."""
    left, top = (window.left + overhang_px) // reduction, window.top // reduction
    right, bottom = -(-(window.right + overhang_px) // reduction), -(-window.bottom // reduction)
    shift = matrix[:, 2] + matrix[:, :2] @ (left, top)
    return photo[top:bottom, left:right], np.concatenate([matrix[:, :2], shift[:, None]], axis=1)


def keypoints_in_view(person: Person, view: View) -> WeightedKeypoints:
    """A person's keypoints in pixels of the crop; their weights stay."""
    seen = keypoints_in_photo(person, view).copy()
    seen[:, :2] = photo_to_crop(seen[:, :2], view.matrix)
    return seen


def keypoints_in_photo(person: Person, view: View) -> WeightedKeypoints:
    """A person's keypoints in pixels of the photo, or of its mirror image where the view is of that."""
    if not view.mirrored:
        return person.keypoints
    return mirror_keypoints(person.keypoints, person.picture.size.width, person.scheme)


def shown_in(person: Person, view: View) -> Bool[np.ndarray, "points"]:
    """Which points a cut left in the photo, mirrored where the view is."""
    if view.window is None:
        return np.ones(len(person.keypoints), np.bool_)
    return view.window.holds(keypoints_in_photo(person, view)[:, :2])
