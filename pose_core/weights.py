"""The weights that have a name: what they are, whose they are, and where their files lie.

Ours are part of the package, the public ones of others are not. A name of `WEIGHTS` and the path of a local `.onnx`
file are equally good everywhere. Nothing here contacts a server; `pose_core.pull` does.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from pose_core.errors import UnknownChoice, WeightsMissing


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """One ONNX file.

    Attributes:
        name: what users write.
        role: finds people (detector) or the keypoints of one person (estimator).
        architecture: family of the network, which says how a detector is decoded; RTMW has the outputs of RTMPose.
        url: the ONNX file, or a zip that holds it; empty for a file inside the package.
        data_terms: what the training data asks of users; the licence of the code does not lift it.
        input_size: width, height in pixels of the network's view. Not read from the files beside the ONNX: the
            `pipeline.json` of rtmw-l-384 says 192x256.
        code_licence: SPDX name of the licence of the code and of the file as published.
        default_threshold: score above which a keypoint or a person counts as seen.
        size_bytes: of the ONNX file, where known.
        sha256: of the ONNX file, where known.
        archive_sha256: of the zip, where known.
    """

    name: str
    role: Literal["estimator", "detector"]
    architecture: Literal["rtmpose", "hourglass", "tokenpose", "distilpose", "yolox", "rtmdet"]
    url: str = ""
    data_terms: str
    input_size: tuple[int, int]
    code_licence: str = "Apache-2.0"
    default_threshold: float = 0.3
    size_bytes: int | None = None
    sha256: str | None = None
    archive_sha256: str | None = None

    @property
    def file_name(self) -> str:
        """Name of the ONNX file: the row's own, or the address's last part, as `.onnx`."""
        if self.is_embedded:
            return f"{self.name}.onnx"
        return PurePosixPath(urlsplit(self.url).path).with_suffix(".onnx").name

    @property
    def is_embedded(self) -> bool:
        """Whether the file is part of the package."""
        return not self.url

    @property
    def is_archive(self) -> bool:
        """Whether the address leads to a zip."""
        return urlsplit(self.url).path.endswith(".zip")


EMBEDDED = Path(__file__).with_name("networks")
"""Where the files inside the package are, beside the terms they come with."""

HUB = "https://huggingface.co/"
_DWPOSE_URL = f"{HUB}yzd-v/DWPose/resolve/1a7144101628d69ee7a3768d1ee3a094070dc388/"
_RTMPOSE_URL = "https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/onnx_sdk/"
_RTMW_URL = "https://download.openmmlab.com/mmpose/v1/projects/rtmw/onnx_sdk/"

_COCO_TERMS = "trained on COCO: annotations CC BY 4.0, photos under the terms of their owners on Flickr"
_UBODY_TERMS = "trained on COCO-WholeBody and UBody: non-commercial research only"
_COCKTAIL_TERMS = "trained on 14 data sets (x: 13), COCO-WholeBody and UBody among them: non-commercial research only"
_HUMANART_TERMS = "trained on HumanArt and COCO: HumanArt is for non-commercial research only"

_OWN_TERMS = (
    "trained on LSP Extended, Clothing Co-Parsing, COCO, Helen and AFW: part of it for non-commercial research only, "
    "see pose_core/networks/LICENSE"
)
_OWN_DETECTOR_TERMS = (
    "trained on LSP Extended, Clothing Co-Parsing, COCO, street scenes, Helen and AFW: part of it for non-commercial "
    "research only, see pose_core/networks/LICENSE"
)

_dwpose = partial(Weights, role="estimator", architecture="rtmpose", data_terms=_UBODY_TERMS, input_size=(192, 256))
_rtmw = partial(Weights, role="estimator", architecture="rtmpose", data_terms=_COCKTAIL_TERMS, input_size=(192, 256))
_yolox = partial(Weights, role="detector", architecture="yolox", data_terms=_HUMANART_TERMS, input_size=(640, 640))

WEIGHTS: dict[str, Weights] = {
    "skelmap-t": Weights(
        name="skelmap-t",
        role="estimator",
        architecture="rtmpose",
        data_terms=_OWN_TERMS,
        input_size=(192, 256),
        size_bytes=16_923_880,
        sha256="3d7c954b2852707d8caee27d856b8ec32a510e353c9206821bd196ba9e682635",
    ),
    "skelmap-det": Weights(
        name="skelmap-det",
        role="detector",
        architecture="yolox",
        data_terms=_OWN_DETECTOR_TERMS,
        input_size=(320, 320),
        default_threshold=0.25,
        size_bytes=2_098_533,
        sha256="b3226fce82dbbeb3099bd9bcd3528a06dd3523c4c6780fb184c52977680f5859",
    ),
    "dwpose-t": _dwpose(
        name="dwpose-t",
        url=f"{_RTMPOSE_URL}rtmpose-t_simcc-ucoco_dw-ucoco_270e-256x192-dcf277bf_20230728.zip",
    ),
    "dwpose-s": _dwpose(
        name="dwpose-s",
        url=f"{_RTMPOSE_URL}rtmpose-s_simcc-ucoco_dw-ucoco_270e-256x192-3fd922c8_20230728.zip",
    ),
    "dwpose-m": _dwpose(
        name="dwpose-m",
        url=f"{_RTMPOSE_URL}rtmpose-m_simcc-ucoco_dw-ucoco_270e-256x192-c8b76419_20230728.zip",
    ),
    "dwpose-l": _dwpose(
        name="dwpose-l",
        url=f"{_RTMPOSE_URL}rtmpose-l_simcc-ucoco_dw-ucoco_270e-256x192-4d6dfc62_20230728.zip",
    ),
    "dwpose-l-384": _dwpose(  # the file of the DWPose authors, which most pre-processors use
        name="dwpose-l-384",
        url=f"{_DWPOSE_URL}dw-ll_ucoco_384.onnx",
        input_size=(288, 384),
        size_bytes=134_399_116,
        sha256="724f4ff2439ed61afb86fb8a1951ec39c6220682803b4a8bd4f598cd913b1843",
    ),
    "dwpose-l-384-openmmlab": _dwpose(  # the same size of network, published and exported by OpenMMLab
        name="dwpose-l-384-openmmlab",
        url=f"{_RTMPOSE_URL}rtmpose-l_simcc-ucoco_dw-ucoco_270e-384x288-2438fd99_20230728.zip",
        input_size=(288, 384),
        size_bytes=134_399_323,
        sha256="8cfecfc2226d8e14b510c2fd28442226c518b4d60690535753187877411d4005",
        archive_sha256="b06f1bc598ddbdb5008a61f4a411aa11ed331370b4f7f438126d6d99e168d147",
    ),
    "rtmw-m": _rtmw(  # l-m like the checkpoint of RTMW-m; MMPose's list of exports links one called m-s instead
        name="rtmw-m",
        url=f"{_RTMW_URL}rtmw-dw-l-m_simcc-cocktail14_270e-256x192_20231122.zip",
    ),
    "rtmw-l": _rtmw(
        name="rtmw-l",
        url=f"{_RTMW_URL}rtmw-dw-x-l_simcc-cocktail14_270e-256x192_20231122.zip",
        archive_sha256="1e3e77558dfc199129bfff1c583e51b4ee190914de6ae30688243c20163c148c",
    ),
    "rtmw-l-384": _rtmw(
        name="rtmw-l-384",
        url=f"{_RTMW_URL}rtmw-dw-x-l_simcc-cocktail14_270e-384x288_20231122.zip",
        input_size=(288, 384),
        size_bytes=229_320_930,
        sha256="bd033156e5104c4f5d2edfe0453e02661e30a2f3da453ec93c8764d561b83054",
        archive_sha256="a87e1af41a0a067776dba7d46e1c21c8f6e9f18e247e0e606718dd1f31e96ffd",
    ),
    "rtmw-x-384": _rtmw(
        name="rtmw-x-384",
        url=f"{_RTMW_URL}rtmw-x_simcc-cocktail13_pt-ucoco_270e-384x288-0949e3a9_20230925.zip",
        input_size=(288, 384),
    ),
    "yolox-l": _yolox(
        name="yolox-l",
        url=f"{_DWPOSE_URL}yolox_l.onnx",
        data_terms=_COCO_TERMS,
        size_bytes=216_746_733,
        sha256="7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411",
    ),
    "yolox-nano-humanart": _yolox(
        name="yolox-nano-humanart",
        url=f"{_RTMPOSE_URL}yolox_nano_8xb8-300e_humanart-40f6f0d0.zip",
        input_size=(416, 416),
        size_bytes=3_722_395,
        sha256="1450966de24902b18aada1a78913d7efd8fc8dcd51bd4d0d5591476bd4a38821",
    ),
    "yolox-tiny-humanart": _yolox(
        name="yolox-tiny-humanart",
        url=f"{_RTMPOSE_URL}yolox_tiny_8xb8-300e_humanart-6f3252f9.zip",
        input_size=(416, 416),
        sha256="ceb11c07298f95c50d7c5abeb906d03340c85f23aa79e3e66966e7fb6c307250",
    ),
    "yolox-s-humanart": _yolox(
        name="yolox-s-humanart",
        url=f"{_RTMPOSE_URL}yolox_s_8xb8-300e_humanart-3ef259a7.zip",
        sha256="332e09ea9696e3401049b6c5314851db020b6430f85da159e65f37034ab3aee8",
    ),
    "yolox-m-humanart": _yolox(
        name="yolox-m-humanart",
        url=f"{_RTMPOSE_URL}yolox_m_8xb8-300e_humanart-c2c7a14a.zip",
        size_bytes=101_400_344,
        sha256="3dea6513388889f0fff4b77bf7a26013600321b9eb9ceb0e9a400a82572f5f23",
        archive_sha256="a000224fd8ba283202bc62d4a5fcdfe353adb9f468777dbac1ea2ada2093adde",
    ),
    "yolox-l-humanart": _yolox(
        name="yolox-l-humanart",
        url=f"{_RTMPOSE_URL}yolox_l_8xb8-300e_humanart-ce1d7a62.zip",
    ),
    "yolox-x-humanart": _yolox(
        name="yolox-x-humanart",
        url=f"{_RTMPOSE_URL}yolox_x_8xb8-300e_humanart-a39d44ed.zip",
        sha256="8e9ea96a176bd48501eaaa77216e49ee30794d2f8ba80c7b9862beca4ea972da",
    ),
}
"""Every name; within a family from small to large."""

DEFAULT_ESTIMATOR = "skelmap-t"
DEFAULT_DETECTOR = "skelmap-det"
"""What is used where nobody names anything; both are inside the package."""


def row_of(path: str | os.PathLike[str]) -> Weights | None:
    """The row whose official file name a local file has, to learn what to feed it; None for any other file."""
    name = Path(path).name
    return next((row for row in WEIGHTS.values() if row.file_name == name), None)


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """`$SKELMAP_HOME`, else `$HF_HOME/skelmap`, else `~/.cache/huggingface/skelmap`; it need not exist."""
    return _folder(environ, "SKELMAP_HOME") or _hub_home(environ) / "skelmap"


def find(
    name_or_path: str | os.PathLike[str], cache: Path | None = None, *, environ: Mapping[str, str] = os.environ
) -> Path | None:
    """The file behind a known name or a local path, unverified; None where there is none.

    A known name is looked for in the package, or in the cache folder and then, for rows from the Hugging Face hub, in
    the hub's cache.
    """
    row = WEIGHTS.get(os.fspath(name_or_path))
    for place in places(row, cache or cache_folder(environ), environ) if row else [Path(name_or_path)]:
        with suppress(OSError, RuntimeError):  # a name too long for any file, the home of an unknown user
            if (file := place.expanduser()).is_file():
                return file
    return None


def resolve(
    name_or_path: str | os.PathLike[str], cache: Path | None = None, *, environ: Mapping[str, str] = os.environ
) -> Path:
    """Like `find`, but says what to do where there is no file.

    Raises:
        UnknownChoice: neither a known name nor anything like a path.
        WeightsMissing: a known name that was never pulled, a path without a file, or an incomplete package.
    """
    found, wanted = find(name_or_path, cache, environ=environ), os.fspath(name_or_path)
    if found is not None:
        return found
    if wanted in WEIGHTS and WEIGHTS[wanted].is_embedded:
        raise WeightsMissing(
            f"{wanted} is part of the package, but {EMBEDDED} has no file of it: install skelmap again"
        )
    if wanted in WEIGHTS:
        raise WeightsMissing(
            f"{wanted}: no file in {cache or cache_folder(environ)}; get it with `skelmap models pull {wanted}`, "
            "or give the path of a local .onnx file instead of the name"
        )
    if os.sep in wanted or wanted.endswith(".onnx"):
        raise WeightsMissing(f"{wanted}: no such file; give the path of an .onnx file or one of {', '.join(WEIGHTS)}")
    raise UnknownChoice("model", wanted, WEIGHTS)


def installed(cache: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> dict[str, Path | None]:
    """Where the file of every known name is, None for those that are not here."""
    return {name: find(name, cache, environ=environ) for name in WEIGHTS}


def _folder(environ: Mapping[str, str], variable: str) -> Path | None:
    """The folder that a variable names; None where it is empty or unset."""
    return Path(value).expanduser() if (value := environ.get(variable)) else None


def _hub_home(environ: Mapping[str, str]) -> Path:
    return _folder(environ, "HF_HOME") or Path("~/.cache/huggingface").expanduser()


def places(row: Weights, folder: Path, environ: Mapping[str, str]) -> list[Path]:
    """Where the file of a row may be, best place first."""
    if row.is_embedded:
        return [EMBEDDED / row.file_name]
    places = [folder / row.file_name]
    if match := re.fullmatch(rf"{re.escape(HUB)}([^/]+)/([^/]+)/resolve/([^/]+)/(.+)", row.url):
        owner, repository, revision, file = match.groups()
        hub_cache = _folder(environ, "HF_HUB_CACHE") or _hub_home(environ) / "hub"
        places.append(hub_cache / f"models--{owner}--{repository}" / "snapshots" / revision / file)
    return places
