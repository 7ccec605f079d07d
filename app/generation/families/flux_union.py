"""FLUX.1 with a ControlNet of several modes, such as InstantX/FLUX.1-dev-Controlnet-Union and Shakker's Union-Pro."""

from dataclasses import replace

from app.generation.families import flux

POSE_MODE = 4
"""Of canny, tile, depth, blur, pose, grey and low quality, in this order."""

FAMILY = replace(flux.FAMILY, control={"control_mode": POSE_MODE})
