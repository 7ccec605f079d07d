"""How noise is taken away: names to diffusers' classes and what is changed in their configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Scheduler:
    """One way through the noise.

    Attributes:
        kind: class of diffusers.
        changes: to the configuration that the model's own scheduler has.
    """

    kind: str
    changes: Mapping[str, Any] = field(default_factory=dict)


DIFFUSION: Final[Mapping[str, Scheduler]] = {
    "ddim": Scheduler("DDIMScheduler"),
    "ddpm": Scheduler("DDPMScheduler"),
    "deis": Scheduler("DEISMultistepScheduler"),
    "dpm++2m": Scheduler("DPMSolverMultistepScheduler"),
    "dpm++2m-karras": Scheduler("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "dpm++2m-sde": Scheduler("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "euler": Scheduler("EulerDiscreteScheduler"),
    "euler-a": Scheduler("EulerAncestralDiscreteScheduler"),
    "heun": Scheduler("HeunDiscreteScheduler"),
    "lcm": Scheduler("LCMScheduler"),
    "pndm": Scheduler("PNDMScheduler", {"skip_prk_steps": True}),
    "unipc": Scheduler("UniPCMultistepScheduler"),
}
"""For networks that predict noise or velocity: Stable Diffusion 1.5 and XL."""

FLOW: Final[Mapping[str, Scheduler]] = {
    "flow-euler": Scheduler("FlowMatchEulerDiscreteScheduler"),
    "flow-euler-karras": Scheduler("FlowMatchEulerDiscreteScheduler", {"use_karras_sigmas": True}),
    "flow-euler-exponential": Scheduler("FlowMatchEulerDiscreteScheduler", {"use_exponential_sigmas": True}),
    "flow-euler-stochastic": Scheduler("FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": True}),
}
"""For networks trained with flow matching: Stable Diffusion 3 and FLUX.1."""
