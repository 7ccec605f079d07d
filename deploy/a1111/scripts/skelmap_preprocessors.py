"""Run by the web UI at start: adds the remote preprocessors and the settings page.

The UIs show their "Edit" and "JSON" buttons where "openpose" is in a preprocessor's name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lib_skelmap.failures import Attempt, JsonCallback
from lib_skelmap.hosts import running_host
from lib_skelmap.remote import RemoteFailed, estimate
from lib_skelmap.settings import add_settings, read_on_failure, read_server
from modules import script_callbacks

host = running_host()
HostPreprocessor: Any = host.NamedPreprocessor

FAMILY = {
    "remote_dw_openpose_full": ("body,hands,face", "dw_openpose_full"),
    "remote_dw_openpose_hand": ("body,hands", "openpose_hand"),
    "remote_dw_openpose_face": ("body,face", "openpose_face"),
    "remote_dw_openpose_faceonly": ("face", "openpose_faceonly"),
    "remote_dw_openpose": ("body", "openpose"),
}
"""Each name with the parts it shows and the host's own preprocessor for them."""


class RemoteOpenpose(HostPreprocessor):
    """A preprocessor whose work is done by a server."""

    def __init__(self, name: str, parts: str, local_name: str) -> None:
        super().__init__(name)
        self.tags = ["OpenPose"]
        self.parts = parts
        self.local_name = local_name
        self.slider_1 = _threshold_slider("Person threshold (0: the server's)")
        self.slider_2 = _threshold_slider("Keypoint threshold (0: the server's)")

    def __call__(
        self,
        input_image: np.ndarray,
        resolution: int = 512,
        slider_1: float | None = None,
        slider_2: float | None = None,
        slider_3: float | None = None,
        input_mask: np.ndarray | None = None,
        json_pose_callback: JsonCallback = None,
        **_kwargs: object,
    ) -> Any:  # noqa: ANN401 - the local preprocessor's result on failure
        """The map, uint8 (height, width, 3) RGB.

        Args:
            input_image: uint8 (height, width, channels), RGB or RGBA.
            resolution: shorter side of the map in pixels.
            slider_1: score a person has to exceed.
            slider_2: score from which a point shows.
            slider_3: not used.
            input_mask: not used.
            json_pose_callback: takes the pose document; None while pictures are generated.

        Raises:
            RemoteFailed: no map, where the settings want an error then.
        """
        parameters = {
            "parts": self.parts,
            "resolution": int(resolution),
            "person_threshold": _chosen(slider_1),
            "keypoint_threshold": _chosen(slider_2),
        }
        try:
            drawn, document = estimate(read_server(), input_image, parameters)
        except RemoteFailed as failure:
            local = host.find(self.local_name)
            attempt = Attempt(input_image, int(resolution), json_pose_callback, self.local_name, local)
            return read_on_failure()(failure, attempt)
        if json_pose_callback:
            json_pose_callback(document)
        return drawn


def _threshold_slider(label: str) -> Any:  # noqa: ANN401 - the host's class
    return host.PreprocessorParameter(label=label, minimum=0.0, maximum=1.0, step=0.01, value=0.0, visible=True)


def _chosen(threshold: float | None) -> float | None:
    """A threshold that somebody set; None for 0, and for what the hosts' APIs fill in: -1 and 64."""
    return threshold if threshold is not None and 0 < threshold <= 1 else None


for name, (parts, local_name) in FAMILY.items():
    host.register(RemoteOpenpose(name, parts, local_name))
script_callbacks.on_ui_settings(add_settings)
