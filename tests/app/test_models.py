"""The store of networks: loaded once, shared, dropped when there are too many, and never a file a caller names."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copyfile

import pytest

from app.models import ModelStore
from app.settings import Settings
from pose_core import weights
from pose_core.errors import InvalidInput, ModelError, UnknownChoice, WeightsMissing
from pose_core.weights import WEIGHTS
from tests.app.scenery import OTHER_DETECTOR, OTHER_ESTIMATOR, Networks


@pytest.fixture
def store(settings: Settings) -> ModelStore:
    """A store into which nothing is loaded yet."""
    return ModelStore(settings)


@pytest.fixture
def well_stocked(networks: Networks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three installed estimators."""
    names = ["dwpose-t", "dwpose-s", "dwpose-m"]
    for name in names:
        copyfile(networks.estimator, tmp_path / WEIGHTS[name].file_name)
    monkeypatch.setenv("SKELMAP_HOME", str(tmp_path))
    return names


def test_nothing_is_loaded_before_it_is_asked_for(store: ModelStore) -> None:
    assert store.loaded() == {}
    assert store.pipeline().estimator.name == "figure"
    assert list(store.loaded()) == ["three people", "figure"]


def test_a_network_is_loaded_once_whoever_asks(store: ModelStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        pipelines = list(pool.map(lambda _: store.pipeline(), range(16)))
    assert len({id(pipeline.estimator) for pipeline in pipelines}) == 1
    assert len({id(pipeline.detector) for pipeline in pipelines}) == 1


def test_the_least_used_network_is_dropped(settings: Settings, well_stocked: list[str]) -> None:
    store = ModelStore(settings.model_copy(update={"max_loaded_models": 3, "detector": "whole-image"}))
    one, two, three = well_stocked
    first = store.pipeline(one).estimator
    store.pipeline(two)
    assert list(store.loaded()) == [one, "whole-image", two]
    assert store.pipeline(one).estimator is first
    store.pipeline(three)
    assert list(store.loaded()) == [one, "whole-image", three]
    assert store.pipeline(one).estimator is first
    assert store.pipeline(two).estimator.name == two


def test_names_are_those_of_the_defaults_and_of_what_is_installed(store: ModelStore) -> None:
    assert store.estimator_names() == ["figure", "skelmap-t", OTHER_ESTIMATOR]
    assert store.detector_names() == ["three people", "whole-image", "skelmap-det", OTHER_DETECTOR]


def test_an_installed_default_is_listed_once(settings: Settings) -> None:
    store = ModelStore(settings.model_copy(update={"estimator": OTHER_ESTIMATOR, "detector": "whole-image"}))
    assert list(dict.fromkeys(store.estimator_names())) == [OTHER_ESTIMATOR, "skelmap-t"]
    assert list(dict.fromkeys(store.detector_names())) == ["whole-image", "skelmap-det", OTHER_DETECTOR]


def test_unknown_and_not_installed_are_told_apart(store: ModelStore) -> None:
    with pytest.raises(UnknownChoice, match="estimator: unknown value 'nobody'; valid: figure, skelmap-t, dwpose-t"):
        store.pipeline("nobody")
    with pytest.raises(InvalidInput, match=r"detector: 'yolox-l' is not installed here; .* models pull yolox-l"):
        store.pipeline(None, "yolox-l")


def test_the_name_of_an_estimator_is_no_detector(store: ModelStore) -> None:
    with pytest.raises(UnknownChoice, match="detector: unknown value 'dwpose-l'"):
        store.pipeline(None, "dwpose-l")
    with pytest.raises(UnknownChoice, match="estimator: unknown value 'whole-image'"):
        store.pipeline("whole-image")


def test_a_path_is_not_a_name(store: ModelStore, networks: Networks) -> None:
    copies = networks.home.parent / "copy.onnx"
    copyfile(networks.estimator, copies)
    for path in (str(copies), "copy", "../copy.onnx", "~/copy.onnx", "/etc/passwd"):
        with pytest.raises(UnknownChoice):
            store.pipeline(path)


def test_the_defaults_need_nothing_but_the_package(empty_home: Path) -> None:
    pipeline = ModelStore(Settings()).pipeline()
    assert (pipeline.estimator.name, pipeline.detector.name) == ("skelmap-t", "skelmap-det")
    assert not empty_home.exists()


def test_an_incomplete_package_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path)
    with pytest.raises(WeightsMissing, match="skelmap-det is part of the package"):
        ModelStore(Settings()).pipeline()


def test_missing_defaults_say_how_to_get_them(empty_home: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"no weights of yolox-l and dwpose-l-384 in .*nothing") as caught:
        ModelStore(Settings(estimator="dwpose-l-384", detector="yolox-l")).pipeline()
    assert "skelmap models pull yolox-l dwpose-l-384" in str(caught.value)
    with pytest.raises(WeightsMissing, match="skelmap models pull dwpose-l-384`"):
        ModelStore(Settings(estimator="dwpose-l-384")).pipeline()
    assert not empty_home.exists()


def test_a_default_path_without_a_file(settings: Settings, tmp_path: Path) -> None:
    store = ModelStore(settings.model_copy(update={"estimator": str(tmp_path / "gone.onnx")}))
    with pytest.raises(WeightsMissing, match=r"gone\.onnx: no such file"):
        store.pipeline()


def test_a_network_that_failed_to_load_is_tried_again(settings: Settings, networks: Networks, tmp_path: Path) -> None:
    file = tmp_path / "late.onnx"
    file.write_bytes(b"not yet")
    store = ModelStore(settings.model_copy(update={"estimator": str(file)}))
    with pytest.raises(ModelError, match="cannot be loaded"):
        store.pipeline()
    copyfile(networks.estimator, file)
    assert store.pipeline().estimator.name == "late"
