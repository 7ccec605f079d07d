"""Our Dockerfile, read: instructions of the kinds that it uses, and nothing else."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

WORDS = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN"}
WORDS |= {"STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
"""Instructions that are understood."""

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        word: its name in capitals.
        options: what follows it as --name=value.
        text: the rest, lines joined.
    """

    word: str
    options: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A FROM and what follows it.

    Attributes:
        base: the image or stage it starts from, variables not replaced.
        name: what later stages call it; empty for the last one.
        instructions: in their order.
    """

    base: str
    name: str
    instructions: tuple[Instruction, ...]

    def last(self, word: str) -> Instruction:
        """The instruction of that name that counts."""
        return [one for one in self.instructions if one.word == word][-1]


def read_instructions(text: str) -> Iterator[Instruction]:
    """The instructions of a Dockerfile, comments dropped, continued lines joined.

    Raises:
        ValueError: an instruction that our Dockerfile does not need.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word not in WORDS:
            raise ValueError(f"{word!r} is no instruction that is understood; valid: {', '.join(sorted(WORDS))}")
        options = {}
        while match := re.match(r"\s*--([a-z-]+)=(\S+)\s+", rest):
            options[match[1]] = match[2]
            rest = rest[match.end() :]
        yield Instruction(word, options, rest.strip())


def read_stages(text: str) -> tuple[dict[str, str], list[Stage]]:
    """The ARGs before the first stage, and the stages."""
    outside: list[Instruction] = []
    stages: list[tuple[str, str, list[Instruction]]] = []
    for one in read_instructions(text):
        if one.word == "FROM":
            base, _, name = one.text.partition(" AS ")
            stages.append((base, name, []))
        else:
            (stages[-1][2] if stages else outside).append(one)
    arguments = dict(argument(one) for one in outside)
    return arguments, [Stage(base, name, tuple(instructions)) for base, name, instructions in stages]


def argument(instruction: Instruction) -> tuple[str, str]:
    """Name and default of an ARG."""
    name, _, default = instruction.text.partition("=")
    return name, default


def pairs(instruction: Instruction) -> dict[str, str]:
    """The name=value pairs of ENV and LABEL."""
    return {name: value for name, _, value in (word.partition("=") for word in shlex.split(instruction.text))}


def words(instruction: Instruction) -> list[str]:
    """The command of ENTRYPOINT, CMD or HEALTHCHECK, or the paths of VOLUME, in their exec form."""
    found: list[str] = json.loads(instruction.text.removeprefix("CMD "))
    return found


def replace_variables(text: str, variables: Mapping[str, str]) -> str:
    """`$NAME` and `${NAME}` replaced.

    Raises:
        KeyError: a variable that has no value here.
    """
    return _VARIABLE.sub(lambda match: variables[match[1] or match[2]], text)
