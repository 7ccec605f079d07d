"""The table of models, and finding their files without ever downloading one."""

import json
from pathlib import Path

import pytest

from app.generation.families import FAMILIES
from app.generation.folders import fetch_model, find_model, recognise
from app.generation.table import ModelRow, read_table
from pose_core.errors import DownloadFailed, InvalidInput, ModelError, WeightsMissing

HUB_ROW = ModelRow(family="sd15", base="nobody/base", controlnet="nobody/pose", base_revision="0123abc")


def write_table(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text)
    return path


def test_rows_keep_their_order_and_folders_are_seen_from_the_table(tmp_path: Path) -> None:
    table = write_table(
        tmp_path,
        """
        [portrait]
        family = "sdxl"
        base = "owner/base.v1"
        controlnet = "./pose"
        variant = "fp16"
        [again]
        family = "flux"
        base = "/models/flux"
        """,
    )
    rows = read_table(table)
    assert list(rows) == ["portrait", "again"]
    assert rows["portrait"].base == "owner/base.v1"
    assert rows["portrait"].controlnet == str(tmp_path / "pose")
    assert rows["again"].base == "/models/flux"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no model"),
        ("[a", "cannot be read"),
        ("a = 3", r"\[a\]"),
        ('[a]\nfamily = "sd9"\nbase = "o/b"', r"\[a\] family: unknown value, got 'sd9'; valid: sd15, sdxl, "),
        ('[a]\nfamily = "sd15"', r"\[a\] base: Field required"),
        ('[a]\nfamily = "sd15"\nbase = "b"', r"\[a\] base: .*, got 'b'"),
        ('[a]\nfamily = "sd15"\nbase = "o/b"\nrevision = "x"', r"\[a\] revision: unknown parameter"),
    ],
)
def test_a_table_that_cannot_be_used_says_where(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read_table(write_table(tmp_path, text))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"SKELMAP_GENERATION_MODELS: .*nothing.toml cannot be read"):
        read_table(tmp_path / "nothing.toml")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_pipeline_is_recognised_and_found(family: str, tiny_models: Path) -> None:
    row = recognise(tiny_models / family)
    assert row.family == family
    found = find_model("any", row)
    assert found.is_whole
    assert found.controlnet == found.base / "controlnet"


def test_base_and_controlnet_may_lie_apart(tmp_path: Path, own_model: Path) -> None:
    (own_model / "controlnet").rename(tmp_path / "pose")
    index = json.loads((own_model / "model_index.json").read_text())
    index |= {"_class_name": "StableDiffusionPipeline"}
    del index["controlnet"]
    (own_model / "model_index.json").write_text(json.dumps(index))
    found = find_model("any", ModelRow(family="sd15", base=str(own_model), controlnet=str(tmp_path / "pose")))
    assert (found.base, found.controlnet, found.is_whole) == (own_model, tmp_path / "pose", False)
    with pytest.raises(
        ModelError, match="is of a StableDiffusionPipeline; family sdxl needs a StableDiffusionXLPipeline"
    ):
        find_model("any", ModelRow(family="sdxl", base=str(own_model), controlnet=str(tmp_path / "pose")))


@pytest.mark.parametrize(("family", "other"), [("sd15", "sdxl"), ("flux", "flux-union"), ("sdxl-union", "sdxl")])
def test_files_of_another_family_are_refused(family: str, other: str, tiny_models: Path) -> None:
    with pytest.raises(ModelError, match=family):
        find_model("any", ModelRow(family=family, base=str(tiny_models / other)))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"has no model_index.json"):
        find_model("any", ModelRow(family="sd15", base=str(tmp_path)))
    with pytest.raises(ModelError, match=r"model_index.json cannot be read"):
        recognise(tmp_path)


def test_a_model_that_is_not_installed_says_which_command_fetches_it(tiny_models: Path) -> None:
    del tiny_models  # only where the extra is installed
    with pytest.raises(WeightsMissing, match=r"nobody/base is not on this machine; .* skelmap models pull portrait$"):
        find_model("portrait", HUB_ROW)


def test_what_the_hub_cache_holds_is_found_by_its_id(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--nobody--whole"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0ffee")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "c0ffee").symlink_to(tiny_models / "sd3")
    found = find_model("any", ModelRow(family="sd3", base="nobody/whole"))
    assert found.base == repository / "snapshots" / "c0ffee"


def test_fetching_offline_fails_and_says_why(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del tiny_models  # only where the extra is installed
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadFailed, match=r"portrait: nobody/base cannot be downloaded: "):
        fetch_model("portrait", HUB_ROW)


def test_folders_need_no_fetching(tiny_models: Path) -> None:
    assert fetch_model("any", recognise(tiny_models / "sd15")) == [tiny_models / "sd15"]
