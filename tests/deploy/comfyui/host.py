"""A stand-in for ComfyUI, which cannot be installed as a package: what it asks of a pack, and nothing else.

It loads the pack as ComfyUI does, by its folder and under a made-up name, checks inputs as ComfyUI does before a run,
and runs nodes with the keywords that ComfyUI uses. `schema` says how old it is: V1 has no `comfy_api.latest`.
Sources: Comfy-Org/ComfyUI@a125cd8 `nodes.py` (load_custom_node), `execution.py` (validate_inputs), `comfy_api/latest`.
"""

import asyncio
import importlib.util
import itertools
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

PACK = Path(__file__).resolve().parents[3] / "deploy" / "comfyui"
MODULE = str(PACK).replace(".", "_x_")
"""The name under which ComfyUI puts the pack among the loaded modules."""


class Interrupted(Exception):
    """What ComfyUI raises inside a node when the user has pressed cancel."""


@dataclass(frozen=True, slots=True)
class Socket:
    """An input as a node declares it: type (of a COMBO the choices), options, whether it may be missing."""

    type: Any
    options: Mapping[str, Any]
    optional: bool

    @property
    def is_widget(self) -> bool:
        """Whether the browser shows a field for it instead of waiting for a link."""
        return (isinstance(self.type, list) or self.type in WIDGETS) and not self.options.get("forceInput")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a node gave."""

    values: tuple[Any, ...]
    ui: Mapping[str, Any]


@dataclass
class Host:
    """A running ComfyUI with the pack in it.

    Attributes:
        schema: how old it is, see LATEST.
        folder: with the folders input, output and user in it.
        classes: the registered nodes, those of other packs, too.
        titles: names in the menus.
        progress: how far the bar of the last run got, and out of how many.
        cancelled: whether the user has pressed cancel.
        on_startup: what shall happen when the web server starts.
    """

    schema: str
    folder: Path
    classes: dict[str, Any] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    progress: tuple[int, int] = (0, 0)
    cancelled: bool = False
    on_startup: list[Callable[[Any], Awaitable[None]]] = field(default_factory=list)

    def sockets(self, name: str) -> dict[str, Socket]:
        """The inputs of a node, in order."""
        node = self.classes[name]
        if self.schema == "V3":
            return {given.id: given.socket for given in node.define_schema().inputs}
        declared = node.INPUT_TYPES()
        return {
            key: Socket(io_type, options, kind == "optional")
            for kind in declared
            for key, (io_type, options) in declared[kind].items()
        }

    def outputs(self, name: str) -> list[tuple[str, str]]:
        """Type and name of each output of a node."""
        node = self.classes[name]
        if self.schema == "V3":
            return [(output.type, output.display_name) for output in node.define_schema().outputs]
        return list(zip(node.RETURN_TYPES, node.RETURN_NAMES, strict=True))

    def run(self, name: str, **inputs: Any) -> Ran:
        """Check the inputs, fill in the widgets' defaults as the browser does, and run a node."""
        sockets = self.sockets(name)
        assert set(inputs) <= set(sockets), "ComfyUI hands on only what is declared"
        for key, socket in sockets.items():
            if key not in inputs and socket.is_widget:
                inputs[key] = socket.options.get("default", socket.type[0] if isinstance(socket.type, list) else None)
            if key in inputs and socket.is_widget:
                check(key, socket, inputs[key])
            assert key in inputs or socket.optional, f"required input is missing: {key}"
        node = self.classes[name]
        if self.schema == "V3":
            clone: Any = type(node.__name__, (node,), {})
            output = clone.execute(**inputs)
            return Ran(output.args, output.ui)
        given = getattr(node(), node.FUNCTION)(**inputs)
        return Ran(given["result"], given["ui"])

    def fingerprint(self, name: str, **inputs: Any) -> Any:
        """What the result of a node is cached under, besides its inputs; links come as None."""
        links = {key: None for key, socket in self.sockets(name).items() if not socket.is_widget}
        method = "fingerprint_inputs" if self.schema == "V3" else "IS_CHANGED"
        return getattr(self.classes[name], method)(**links, **inputs)


def check(key: str, socket: Socket, value: Any) -> None:
    """What ComfyUI refuses before it runs anything."""
    if isinstance(socket.type, list):
        assert value in socket.type, f"value not in list: {key}"
    elif socket.type in {"INT", "FLOAT"}:
        assert socket.options["min"] <= value <= socket.options["max"], f"out of range: {key}"


@contextmanager
def running(schema: str, folder: Path, taken: Mapping[str, Any] = {}, later: Mapping[str, Any] = {}) -> Iterator[Host]:
    """ComfyUI with the pack loaded; `taken` are nodes of packs that were loaded earlier, `later` those after it."""
    host = Host(schema, folder, dict(taken))
    for name in ("input", "output", "user/default"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        for name, module in modules(host).items():
            patch.setitem(sys.modules, name, module)
        try:
            load_pack(host)
            host.classes.update(later)  # the last one of a name stays
            for start in host.on_startup:
                asyncio.run(as_coroutine(start))
            yield host
        finally:
            for name in [name for name in sys.modules if name.startswith(MODULE)]:
                del sys.modules[name]


async def as_coroutine(start: Callable[[Any], Awaitable[None]]) -> None:
    """What happens when the web server starts."""
    await start(None)


def load_pack(host: Host) -> None:
    """NODE_CLASS_MAPPINGS where the pack has them, else comfy_entrypoint."""
    spec = importlib.util.spec_from_file_location(MODULE, PACK / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    pack = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = pack
    spec.loader.exec_module(pack)
    assert (PACK / pack.WEB_DIRECTORY).is_dir()
    if hasattr(pack, "NODE_CLASS_MAPPINGS"):
        host.classes.update(pack.NODE_CLASS_MAPPINGS)
        host.titles.update(pack.NODE_DISPLAY_NAME_MAPPINGS)
        return
    extension = asyncio.run(pack.comfy_entrypoint())
    assert isinstance(extension, ComfyExtension)
    for node in asyncio.run(extension.get_node_list()):
        schema = node.define_schema()
        schema.validate()
        host.classes[schema.node_id] = node
        host.titles[schema.node_id] = schema.display_name


def modules(host: Host) -> dict[str, ModuleType | None]:
    """The modules of ComfyUI that a pack may import."""

    def throw_exception_if_processing_interrupted() -> None:
        if host.cancelled:
            host.cancelled = False
            raise Interrupted

    class ProgressBar:
        def __init__(self, total: int) -> None:
            host.progress = (0, total)

        def update(self, value: int) -> None:
            host.progress = (host.progress[0] + value, host.progress[1])

    def get_save_image_path(prefix: str, output_dir: str) -> tuple[str, str, int, str, str]:
        path = Path(output_dir, prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        counter = next(n for n in itertools.count(1) if not list(path.parent.glob(f"{path.name}_{n:05}_*")))
        return str(path.parent), path.name, counter, str(Path(prefix).parent), prefix

    def get_annotated_filepath(name: str) -> str:
        bare, found, _ = name.partition(" [output]")
        return str(host.folder / ("output" if found else "input") / bare)

    interruption = {"throw_exception_if_processing_interrupted": throw_exception_if_processing_interrupted}
    folders = {
        "get_input_directory": lambda: str(host.folder / "input"),
        "get_output_directory": lambda: str(host.folder / "output"),
        "get_user_directory": lambda: str(host.folder / "user"),
        "get_save_image_path": get_save_image_path,
        "get_annotated_filepath": get_annotated_filepath,
    }
    return {
        "comfy": module("comfy"),
        "comfy.utils": module("comfy.utils", ProgressBar=ProgressBar),
        "comfy.model_management": module("comfy.model_management", **interruption),
        "folder_paths": module("folder_paths", **folders),
        "nodes": module("nodes", NODE_CLASS_MAPPINGS=host.classes),
        "server": module("server", PromptServer=SimpleNamespace(instance=SimpleNamespace(app=host))),
        "comfy_api": module("comfy_api"),
        "comfy_api.latest": LATEST[host.schema],
    }


def module(name: str, **content: Any) -> ModuleType:
    """A module with something in it."""
    made = ModuleType(name)
    vars(made).update(content)
    return made


# comfy_api.latest

WIDGETS: dict[str, set[str]] = {
    "INT": {"default", "min", "max", "step", "control_after_generate", "display_mode", "socketless", "force_input"},
    "FLOAT": {"default", "min", "max", "step", "round", "display_mode", "socketless", "force_input"},
    "BOOLEAN": {"default", "label_on", "label_off", "socketless", "force_input"},
    "STRING": {"default", "multiline", "placeholder", "dynamic_prompts", "socketless", "force_input"},
    "COMBO": {"default", "options", "control_after_generate", "upload", "socketless"},
}
"""Options that the inputs of these types take, besides those of every input."""


class ComfyNode:
    """The base class of nodes."""


class ComfyExtension:
    """The base class of what `comfy_entrypoint` returns."""

    async def get_node_list(self) -> list[Any]:
        """The classes of the nodes."""
        raise NotImplementedError


class V3Input:
    """An input of a Schema: unknown options are an error."""

    def __init__(
        self,
        io_type: str,
        id: str,  # noqa: A002 - ComfyUI's name
        *,
        optional: bool = False,
        tooltip: str | None = None,
        extra_dict: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        unknown = set(options) - WIDGETS.get(io_type, set())
        if unknown:
            raise TypeError(f"unexpected keyword arguments of {io_type}: {unknown}")
        force = {"forceInput": options.pop("force_input")} if "force_input" in options else {}
        self.id = id
        self.socket = Socket(
            options.pop("options", io_type), {**options, **force, **(extra_dict or {}), "tooltip": tooltip}, optional
        )


@dataclass
class V3Output:
    """An output of a Schema."""

    type: str
    id: str | None = None
    display_name: str | None = None
    tooltip: str | None = None


@dataclass
class Schema:
    """What a node says of itself."""

    node_id: str
    category: str
    display_name: str | None = None
    inputs: list[V3Input] = field(default_factory=list)
    outputs: list[V3Output] = field(default_factory=list)
    description: str = ""
    is_output_node: bool = False

    def validate(self) -> None:
        """Names of sockets are used once."""
        ids = [given.id for given in self.inputs] + [output.id for output in self.outputs if output.id is not None]
        if len(set(ids)) != len(ids):
            raise ValueError(f"Ids must be unique, also between inputs and outputs: {ids}")


class NodeOutput:
    """What a node returns."""

    def __init__(self, *args: Any, ui: Mapping[str, Any] | None = None) -> None:
        self.args = args
        self.ui = ui or {}


def custom(io_type: str) -> SimpleNamespace:
    """A type: a place for its Input and its Output."""
    return SimpleNamespace(
        Input=lambda *args, **options: V3Input(io_type, *args, **options),
        Output=lambda *args, **options: V3Output(io_type, *args, **options),
    )


IO = module(
    "io",
    ComfyNode=ComfyNode,
    Schema=Schema,
    NodeOutput=NodeOutput,
    Custom=custom,
    Image=custom("IMAGE"),
    Int=custom("INT"),
    Float=custom("FLOAT"),
    Boolean=custom("BOOLEAN"),
    String=custom("STRING"),
    Combo=custom("COMBO"),
)

LATEST = {
    "V1": None,  # makes the import fail, as in a ComfyUI that is too old
    "V1 with the first comfy_api": module("latest", ComfyAPI=object),
    "V3": module("latest", io=IO, ComfyExtension=ComfyExtension),
}
"""`comfy_api.latest` as it grew."""
