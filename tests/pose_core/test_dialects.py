"""JSON dialects: parity with the recorded pre-processors, round trips, conversions, and documents that nobody wrote.

The recorded JSON is described in the parity data's README under `render`; it was written by the pre-processors' own
code and is compared number for number.
"""

import copy
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pose_core.dialects import DIALECTS, read_scene, recognise
from pose_core.dialects.document import MAX_PEOPLE
from pose_core.errors import InvalidPoseData, UnknownChoice
from pose_core.openpose import OpenPosePerson, OpenPoseScene, coco_keypoints, keep_parts, openpose_people, visible
from pose_core.skeleton import Part
from pose_core.types import PersonBox, Size

THRESHOLD = 0.3
SIZE = Size(width=640, height=480)
BOX = PersonBox(1.5, 2.0, 300.0, 400.0, 0.75)

RENDER = Path(__file__).parents[3] / "shared" / "oracles" / "render"
CASES = [f"c{number:02d}" for number in range(26)]
FLAGS: dict[Part, str] = {"body": "body", "hands": "hand", "face": "face"}
needs_parity_data = pytest.mark.skipif(
    not RENDER.is_dir(), reason="no parity data (shared/oracles/render) beside the checkout"
)

HOLDS = {
    "skelmap": {"body", "feet", "face", "left_hand", "right_hand"},
    "fkunn1326": {"body"},
    "openpose": {"body", "feet", "face", "left_hand", "right_hand"},
    "comfy": {"body", "feet", "face", "left_hand", "right_hand"},
    "a1111": {"body", "face", "left_hand", "right_hand"},
    "comfy-aux": {"body", "face", "left_hand", "right_hand"},
}
KEEPS_SCORES = {"skelmap", "openpose"}
KEYPOINTS_2D = ["openpose", "comfy", "a1111", "comfy-aux"]

every_dialect = pytest.mark.parametrize("name", DIALECTS)
every_keypoints_2d = pytest.mark.parametrize("name", KEYPOINTS_2D)


def random_scene(people: int = 3, seed: int = 0) -> OpenPoseScene:
    """People whose scores straddle the threshold; everybody's body is there, one has no hands and one no feet."""
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform((2, 2, 0), (640, 480, 1), (people, 133, 3))
    keypoints[:, 0, 2] = 0.9
    keypoints[0, 91:, 2] = 0.1
    keypoints[-1, 17:23, 2] = 0.0
    return OpenPoseScene(SIZE, openpose_people(keypoints.astype(np.float32)))


def through(name: str, scene: OpenPoseScene, threshold: float = THRESHOLD) -> OpenPoseScene:
    """Written, sent as text, and read back by whoever recognises it."""
    return read_scene(json.loads(json.dumps(DIALECTS[name].write(scene, threshold), allow_nan=False)))


def points(count: int, *, shown: dict[int, tuple[float, float, float]]) -> np.ndarray:
    part = np.zeros((count, 3))
    for index, point in shown.items():
        part[index] = point
    return part


def document(**person: Any) -> dict[str, Any]:
    return {"people": [person], "canvas_width": 640, "canvas_height": 480}


# ---- parity


def recorded(case: str) -> tuple[OpenPoseScene, dict[str, Any]]:
    inputs = np.load(RENDER / "inputs.npz")
    about = json.loads((RENDER / "index.json").read_text())["cases"][CASES.index(case)]
    scores = inputs[f"{case}_sc"].astype(np.float64)
    keypoints = np.concatenate([inputs[f"{case}_kp"], scores[..., None]], axis=-1)
    return OpenPoseScene(Size(about["W"], about["H"]), openpose_people(keypoints)), about


@pytest.mark.shared
@needs_parity_data
@pytest.mark.parametrize("case", CASES)
def test_a1111_equals_the_recorded_json(case: str) -> None:
    scene, _ = recorded(case)
    assert DIALECTS["a1111"].write(scene, THRESHOLD) == json.loads((RENDER / f"{case}.sdwebui.json").read_text())


@pytest.mark.shared
@needs_parity_data
@pytest.mark.parametrize("case", CASES)
def test_comfy_aux_equals_the_recorded_json(case: str) -> None:
    """The file holds the one frame that the node's list has."""
    scene, about = recorded(case)
    parts = [part for part, flag in FLAGS.items() if about[flag]]
    kept = OpenPoseScene(scene.size, tuple(keep_parts(person, parts) for person in scene.people))
    assert DIALECTS["comfy-aux"].write(kept, THRESHOLD) == [json.loads((RENDER / f"{case}.comfy.json").read_text())]


@pytest.mark.shared
@needs_parity_data
@pytest.mark.parametrize("case", CASES)
def test_recorded_json_reads_back_to_the_people_that_show(case: str) -> None:
    """Parts that lie inside the first pixel are taken for normalised, as the recorder itself does."""
    scene, _ = recorded(case)
    read = read_scene(json.loads((RENDER / f"{case}.sdwebui.json").read_text()))
    for person, again in zip(scene.people, read.people, strict=True):
        shown = visible(person.body, THRESHOLD)
        if person.body is None or shown is None:
            assert again.body is None
            continue
        assert again.body is not None
        scale = (scene.size.width, scene.size.height) if np.abs(person.body[shown, :2]).max() <= 1 else (1, 1)
        np.testing.assert_array_equal(again.body[:, 2], shown)
        np.testing.assert_array_equal(again.body[shown, :2], person.body[shown, :2] * scale)


# ---- what each dialect writes


def test_a1111_hides_points_and_leaves_out_absent_parts() -> None:
    person = OpenPosePerson(
        body=points(18, shown={0: (5.5, 6.0, 0.3), 1: (7.0, 8.0, 0.29)}),
        left_hand=points(21, shown={20: (1.0, 2.0, 4.0)}),
        right_hand=points(21, shown={0: (1.0, 2.0, 0.1)}),
    )
    assert DIALECTS["a1111"].write(OpenPoseScene(SIZE, (person,)), THRESHOLD) == {
        "people": [
            {
                "pose_keypoints_2d": [5.5, 6.0, 1.0] + [0.0] * 51,
                "face_keypoints_2d": None,
                "hand_left_keypoints_2d": [0.0] * 60 + [1.0, 2.0, 1.0],
                "hand_right_keypoints_2d": None,
            }
        ],
        "animals": [],
        "canvas_width": 640,
        "canvas_height": 480,
    }


def test_comfy_writes_every_part_at_full_length() -> None:
    person = OpenPosePerson(body=None, feet=points(6, shown={2: (5.0, 6.0, 0.5)}), box=BOX)
    assert DIALECTS["comfy"].write(OpenPoseScene(SIZE, (person,)), THRESHOLD) == [
        {
            "people": [
                {
                    "pose_keypoints_2d": [0.0] * 54,
                    "foot_keypoints_2d": [0.0] * 6 + [5.0, 6.0, 1.0] + [0.0] * 9,
                    "face_keypoints_2d": [0.0] * 210,
                    "hand_left_keypoints_2d": [0.0] * 63,
                    "hand_right_keypoints_2d": [0.0] * 63,
                    "box": [1.5, 2.0, 300.0, 400.0],
                    "box_score": 0.75,
                }
            ],
            "canvas_width": 640,
            "canvas_height": 480,
        }
    ]


def test_openpose_writes_body_25_with_real_scores() -> None:
    body = points(18, shown={8: (10.0, 20.0, 0.5), 11: (30.0, 40.0, 0.875), 17: (1.0, 2.0, 0.25)})
    person = OpenPosePerson(body=body, feet=points(6, shown={5: (7.0, 8.0, 0.75)}))
    (written,) = DIALECTS["openpose"].write(OpenPoseScene(SIZE, (person,)), THRESHOLD)["people"]  # type: ignore[call-overload]
    rows = np.reshape(written["pose_keypoints_2d"], (25, 3))
    assert rows[8].tolist() == [20.0, 30.0, 0.5]  # mid-hip
    assert rows[9].tolist() == [10.0, 20.0, 0.5]
    assert rows[12].tolist() == [30.0, 40.0, 0.875]
    assert rows[24].tolist() == [7.0, 8.0, 0.75]  # right heel
    assert not rows[18].any()  # left ear, below the threshold
    assert [key for key, value in written.items() if value == []] == [
        *("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"),
        *("pose_keypoints_3d", "face_keypoints_3d", "hand_left_keypoints_3d", "hand_right_keypoints_3d"),
    ]


def test_fkunn1326_writes_bodies_only() -> None:
    person = OpenPosePerson(body=points(18, shown={3: (5.5, 6.0, 0.5)}))
    nobody = OpenPosePerson(body=None, face=np.ones((70, 3)))
    written = DIALECTS["fkunn1326"].write(OpenPoseScene(SIZE, (nobody, person)), THRESHOLD)
    body = [[-1.0, -1.0]] * 3 + [[5.5, 6.0]] + [[-1.0, -1.0]] * 14
    assert written == {"width": 640, "height": 480, "keypoints": [body]}
    assert DIALECTS["fkunn1326"].write_person(nobody, THRESHOLD, SIZE) == [[-1.0, -1.0]] * 18


def test_skelmap_ignores_the_threshold_and_keeps_the_box() -> None:
    keypoints = np.arange(399, dtype=np.float32).reshape(1, 133, 3) / 512 - 0.25
    (person,) = openpose_people(keypoints, [BOX])
    scene = OpenPoseScene(SIZE, (person, OpenPosePerson(body=None)))
    read = through("skelmap", scene, threshold=0.9)
    np.testing.assert_array_equal(coco_keypoints(read.people[0]), keypoints[0])
    assert read.people[0].box == BOX
    assert read.people[1] == OpenPosePerson(body=None)


@every_dialect
def test_write_person_is_the_entry_in_the_document(name: str) -> None:
    scene = random_scene()
    written: Any = DIALECTS[name].write(scene, THRESHOLD)
    frame = written[0] if isinstance(written, list) else written
    entries = frame["people"] if "people" in frame else frame["keypoints"]
    assert entries == [DIALECTS[name].write_person(person, THRESHOLD, SIZE) for person in scene.people]


# ---- round trips


@every_dialect
def test_a_read_scene_is_written_the_same(name: str) -> None:
    written = DIALECTS[name].write(random_scene(), THRESHOLD)
    assert DIALECTS[name].write(read_scene(written), THRESHOLD) == written


@every_dialect
@settings(deadline=None, max_examples=50)
@given(
    keypoints=arrays(np.float32, (2, 133, 2), elements=st.floats(2, 1000, width=32)),
    scores=arrays(np.float32, (2, 133, 1), elements=st.floats(-1, 2, width=32)),
    threshold=st.floats(0, 1),
)
def test_whatever_is_written_reads_back(name: str, keypoints: np.ndarray, scores: np.ndarray, threshold: float) -> None:
    scene = OpenPoseScene(SIZE, openpose_people(np.concatenate([keypoints, scores], axis=2)))
    once = through(name, scene, threshold)
    assert DIALECTS[name].write(once, threshold) == DIALECTS[name].write(scene, threshold)


@every_dialect
def test_every_dialect_recognises_itself(name: str) -> None:
    written = DIALECTS[name].write(random_scene(), THRESHOLD)
    assert recognise(written) == name
    assert DIALECTS[name].read(written).size == SIZE


@every_dialect
def test_nobody_in_the_picture(name: str) -> None:
    nobody = OpenPoseScene(SIZE, ())
    assert through(name, nobody) == nobody


@pytest.mark.parametrize(("source", "target"), list(itertools.product(DIALECTS, DIALECTS)))
def test_conversion_keeps_what_both_dialects_hold(source: str, target: str) -> None:
    scene = random_scene()
    converted = through(target, through(source, scene))
    for person, again in zip(scene.people, converted.people, strict=True):
        for part in HOLDS["skelmap"]:
            before, after = getattr(person, part), getattr(again, part)
            shown = visible(before, THRESHOLD) if part in HOLDS[source] & HOLDS[target] else None
            after_shown = visible(after, THRESHOLD)
            if shown is None:
                assert after_shown is None
                continue
            np.testing.assert_array_equal(after_shown, shown)
            np.testing.assert_allclose(after[shown, :2], before[shown, :2], rtol=1e-6)
            real = {source, target} <= KEEPS_SCORES
            np.testing.assert_allclose(after[shown, 2], before[shown, 2] if real else 1, rtol=1e-6)


def held_by(name: str, scene: OpenPoseScene) -> OpenPoseScene:
    """What a dialect has room for: some parts, and of a hidden point or of a score only ours everything."""

    def held(part: str, points: np.ndarray | None) -> Any:
        shown = visible(points, THRESHOLD)
        if points is None or name == "skelmap":
            return points
        if part not in HOLDS[name] or shown is None:
            return None
        scores = points[:, 2] if name in KEEPS_SCORES else np.ones(len(points))
        return np.where(shown[:, None], np.column_stack([points[:, :2], scores]), 0.0)

    people = [
        OpenPosePerson(**{part: held(part, getattr(person, part)) for part in HOLDS["skelmap"]})
        for person in scene.people
    ]
    return OpenPoseScene(scene.size, tuple(people))


@pytest.mark.parametrize(("source", "via"), list(itertools.product(DIALECTS, DIALECTS)))
def test_through_another_dialect_and_back_nothing_is_lost_that_it_holds(source: str, via: str) -> None:
    scene = through(source, random_scene())
    again = through(source, through(via, scene))
    expected = through(source, held_by(via, scene))
    for person, before in zip(again.people, expected.people, strict=True):
        for part in HOLDS["skelmap"]:
            points, original = getattr(person, part), getattr(before, part)
            assert (points is None) == (original is None)
            if points is not None:
                np.testing.assert_allclose(points, original, rtol=1e-6)


# ---- reading


@every_keypoints_2d
@pytest.mark.parametrize("absent", [{}, {"hand_left_keypoints_2d": None}, {"hand_left_keypoints_2d": []}])
def test_a_part_may_be_absent_null_or_empty(name: str, absent: dict[str, Any]) -> None:
    (person,) = read_scene(document(**absent), dialect=name).people
    assert person == OpenPosePerson(body=None)


@every_keypoints_2d
def test_the_body_is_recognised_by_its_length(name: str) -> None:
    numbers = np.arange(75, dtype=float) + 2
    (eighteen,) = read_scene(document(pose_keypoints_2d=numbers[:54].tolist()), dialect=name).people
    (twenty_five,) = read_scene(document(pose_keypoints_2d=numbers.tolist()), dialect=name).people
    assert eighteen.body is not None
    assert eighteen.feet is None
    assert eighteen.body.ravel().tolist() == numbers[:54].tolist()
    rows = numbers.reshape(25, 3)
    assert twenty_five.body is not None
    assert twenty_five.feet is not None
    assert twenty_five.body.tolist() == rows[[*range(8), *range(9, 19)]].tolist()
    assert twenty_five.feet.tolist() == rows[19:].tolist()


def test_listed_feet_win_over_those_of_body_25() -> None:
    feet = [5.0, 6.0, 0.5] * 6
    (person,) = read_scene(document(pose_keypoints_2d=[9.0] * 75, foot_keypoints_2d=feet)).people
    assert person.feet is not None
    assert person.feet.ravel().tolist() == feet


@pytest.mark.parametrize(("body", "pupils"), [([9.0] * 54, 9.0), (None, 0.0)])
def test_the_eyes_are_the_pupils_of_a_68_point_face(body: list[float] | None, pupils: float) -> None:
    (person,) = read_scene(document(pose_keypoints_2d=body, face_keypoints_2d=[4.0] * 204)).people
    assert person.face is not None
    assert (person.face[:68] == 4).all()
    assert (person.face[68:] == pupils).all()


def test_sdpose_files_keep_their_scores() -> None:
    """ComfyUI's own nodes write where a point would be even if they doubt it."""
    body, feet = [10.0, 20.0, 0.125] * 18, [30.0, 40.0, 0.5] * 6
    scene = read_scene([document(pose_keypoints_2d=body, foot_keypoints_2d=feet)])
    assert scene.people[0].body is not None
    assert scene.people[0].feet is not None
    assert scene.people[0].body.ravel().tolist() == body
    assert scene.people[0].feet.ravel().tolist() == feet


def test_each_part_within_the_first_pixel_is_taken_for_normalised() -> None:
    body, hand = [0.5, -1.0, 1.0] * 17 + [640.0, 480.0, 0.0], [0.5, 1.0, 1.0] * 20 + [1.5, 1.0, 1.0]
    (person,) = read_scene(document(pose_keypoints_2d=body, hand_left_keypoints_2d=hand)).people
    assert person.body is not None
    assert person.left_hand is not None
    assert person.body[0].tolist() == [320.0, -480.0, 1.0]
    assert person.left_hand[0].tolist() == [0.5, 1.0, 1.0]


def test_our_own_coordinates_are_never_taken_for_normalised() -> None:
    scene = OpenPoseScene(SIZE, openpose_people(np.full((1, 133, 3), 0.5, np.float32)))
    again = through("skelmap", scene)
    assert again.people[0].body is not None
    assert (again.people[0].body == 0.5).all()


@pytest.mark.parametrize("nested", [True, False])
def test_both_editors_files_are_read(nested: bool) -> None:  # noqa: FBT001 - a case of the table
    bodies = [[[float(i), float(i + 1)] for i in range(start, start + 18)] for start in (-1, 100)]
    bodies[1][4] = [-1.0, -1.0]
    keypoints: list[Any] = bodies if nested else [*bodies[0], *bodies[1]]
    first, second = read_scene({"width": 64, "height": 48, "keypoints": keypoints}).people
    assert first.body is not None
    assert second.body is not None
    assert first.body[0].tolist() == [-1.0, 0.0, 1.0]
    assert second.body[3:5].tolist() == [[103.0, 104.0, 1.0], [0.0, 0.0, 0.0]]


def test_an_answer_of_our_service_is_read() -> None:
    person = {"keypoints": [[1.0, 2.0, 0.5]] * 133, "openpose": {"pose_keypoints_2d": [9.0] * 54}}
    canvas = {"width": 64, "height": 48, "canvas_width": 512, "canvas_height": 384}
    scene = read_scene({**canvas, "people": [person, {"keypoints": None}], "map": "data:", "timings_ms": {}})
    assert scene.size == Size(64, 48)
    assert (coco_keypoints(scene.people[0]) == (1, 2, 0.5)).all()
    assert scene.people[1] == OpenPosePerson(body=None)


ANIMAL = [[float(7 * i + 1), float(5 * i + 2), 1.0] for i in range(17)]


@pytest.mark.parametrize("animal", [ANIMAL, list(itertools.chain(*ANIMAL))], ids=["comfyui_controlnet_aux", "A1111"])
@pytest.mark.parametrize("beside", [{}, {"people": []}, {"version": "ap10k"}])
def test_animals_are_read_nested_or_flat(animal: list[Any], beside: dict[str, Any]) -> None:
    scene = read_scene({"animals": [animal], "canvas_width": 640, "canvas_height": 480, **beside})
    assert scene.people == ()
    np.testing.assert_array_equal(scene.animals, [ANIMAL])


def test_a1111_keeps_animals_and_nobody_else_does() -> None:
    animal = np.array(ANIMAL)
    animal[3:, 2] = 0.1
    scene = OpenPoseScene(SIZE, (), (animal,))
    assert DIALECTS["a1111"].write(scene, THRESHOLD) == {
        "people": [],
        "animals": [[*itertools.chain(*ANIMAL[:3]), *[0.0] * 42]],
        "canvas_width": 640,
        "canvas_height": 480,
    }
    np.testing.assert_array_equal(through("a1111", scene).animals[0][:3], ANIMAL[:3])
    assert [name for name in DIALECTS if through(name, scene).animals] == ["a1111"]


@every_dialect
def test_the_canvas_can_be_given(name: str) -> None:
    written: Any = copy.deepcopy(DIALECTS[name].write(random_scene(), THRESHOLD))
    frame = written[0] if isinstance(written, list) else written
    width, height = [key for key in ("width", "canvas_width", "height", "canvas_height") if key in frame]
    assert read_scene(written, dialect=name, size=Size(1, 1)).size == SIZE
    frame[width] = None
    del frame[height]
    assert read_scene(written, dialect=name, size=Size(64, 48)).size == Size(64, 48)
    with pytest.raises(
        InvalidPoseData, match=f"{width} and {height} are missing; .* as canvas_width and canvas_height"
    ):
        read_scene(written, dialect=name)


def test_one_of_several_frames_is_picked() -> None:
    frames = [document(), {**document(), "people": []}, {"width": 2, "height": 1, "keypoints": []}]
    assert [len(read_scene(frames, frame=i).people) for i in range(3)] == [1, 0, 0]
    assert recognise(frames, frame=2) == "fkunn1326"
    with pytest.raises(InvalidPoseData, match="frame: 3 is out of range, the document has 3 frames"):
        read_scene(frames, frame=3)


def test_unknown_dialect_lists_the_known_ones() -> None:
    with pytest.raises(UnknownChoice, match=r"dialect: unknown value 'xml'; valid: skelmap, .*comfy-aux"):
        read_scene(document(), dialect="xml")


# ---- documents that nobody wrote


def deep(levels: int = 20_000) -> list[Any]:
    nest: list[Any] = []
    for _ in range(levels):
        nest = [nest]
    return nest


def canvas(width: Any) -> dict[str, Any]:
    return {"people": [], "canvas_width": width, "canvas_height": 480}


def ours(**person: Any) -> dict[str, Any]:
    return {"width": 640, "height": 480, "people": [person]}


def places(*keypoints: Any) -> dict[str, Any]:
    return {"width": 640, "height": 480, "keypoints": list(keypoints)}


MALFORMED: list[tuple[str, Any, str]] = [
    ("null", None, "document: expected an object, got null"),
    ("a number", 7, "document: expected an object, got 7"),
    ("a string", "people" * 99, "document: expected an object, got 'people"),
    ("no frames", [], "frame: 0 is out of range, the document has 0 frames"),
    ("a list of lists", [[]], "document[0]: expected an object, got a list of 0"),
    ("nothing in it", {}, "document: expected people or keypoints in it, got an object with 0 keys; valid: skelmap"),
    ("people null", {**canvas(640), "people": None}, "people: expected a list, got null"),
    ("people an object", {**canvas(640), "people": {"0": {}}}, "people: expected a list, got an object with 1 keys"),
    ("too many people", {**canvas(640), "people": [{}] * 1001}, "people: expected at most 1000 items, got 1001"),
    ("a person null", {**canvas(640), "people": [{}, None]}, "people[1]: expected an object, got null"),
    ("no canvas", {"people": []}, "canvas_width: canvas_width and canvas_height are missing"),
    ("half a canvas", {"people": [], "canvas_width": 1}, "canvas_height: canvas_width and canvas_height are missing"),
    ("canvas zero", canvas(0), "canvas_width: expected a whole number of pixels from 1 to 1000000, got 0"),
    ("canvas negative", canvas(-640), "canvas_width: expected a whole number of pixels from 1 to 1000000, got -640"),
    ("canvas fractional", canvas(0.5), "canvas_width: expected a whole number of pixels from 1 to 1000000, got 0.5"),
    ("canvas huge", canvas(10**5000), "canvas_width: expected a number from -1000000 to 1000000, got an integer of"),
    ("canvas NaN", canvas(math.nan), "canvas_width: expected a number from -1000000 to 1000000, got nan"),
    ("canvas a string", canvas("640"), "canvas_width: expected a number, got '640'"),
    ("canvas true", canvas(True), "canvas_width: expected a number, got true"),  # noqa: FBT003 - JSON's true
    (
        "17 points",
        document(pose_keypoints_2d=[1.0] * 51),
        "people[0].pose_keypoints_2d: has 51 numbers; valid: 54 (18 points of x, y, score), 75 (25 points of",
    ),
    ("many points", document(pose_keypoints_2d=[1] * 76), "people[0].pose_keypoints_2d: expected at most 75 items"),
    ("69 points", document(face_keypoints_2d=[1.0] * 207), "people[0].face_keypoints_2d: has 207 numbers; valid: 204"),
    ("5 points", document(foot_keypoints_2d=[1.0] * 15), "people[0].foot_keypoints_2d: has 15 numbers; valid: 18"),
    ("animals no list", {**document(), "animals": {}}, "animals: expected a list, got an object with 0 keys"),
    ("animal no list", {**document(), "animals": [7]}, "animals[0]: expected a list, got 7"),
    ("no points", {**document(), "animals": [[]]}, "animals[0]: has 0 numbers; valid: 51 (17 points of x, y, score)"),
    ("16 animal points", {**document(), "animals": [[[1, 2, 1]] * 16]}, "animals[0]: has 48 numbers; valid: 51"),
    ("an animal's pair", {**document(), "animals": [[[1, 2]] * 17]}, "animals[0][0]: expected [x, y, score], got a"),
    ("an animal's string", {**document(), "animals": [["1"] * 51]}, "animals[0][0]: expected a number, got '1'"),
    ("part false", document(hand_left_keypoints_2d=False), "people[0].hand_left_keypoints_2d: expected a list, got fa"),
    ("part a string", document(pose_keypoints_2d="1,2"), "people[0].pose_keypoints_2d: expected a list, got '1,2'"),
    (
        "nested points",
        document(pose_keypoints_2d=[[1, 2, 1]] * 18),
        "people[0].pose_keypoints_2d: has 18 numbers; valid: 54",
    ),
    (
        "a list among numbers",
        document(hand_right_keypoints_2d=[1.0] * 62 + [deep()]),
        "people[0].hand_right_keypoints_2d[62]: expected a number, got a list of 1",
    ),
    (
        "infinity",
        document(pose_keypoints_2d=[math.inf] * 54),
        "people[0].pose_keypoints_2d[0]: expected a number from -1000000 to 1000000, got inf",
    ),
    ("far away", document(pose_keypoints_2d=[1e7] * 54), "people[0].pose_keypoints_2d[0]: expected a number from"),
    ("a boolean", document(pose_keypoints_2d=[True] * 54), "people[0].pose_keypoints_2d[0]: expected a number, got tr"),
    ("deep junk", document(pose_keypoints_2d=deep()), "people[0].pose_keypoints_2d: has 1 numbers"),
    ("deep document", deep(), "document[0]: expected an object, got a list of 1"),
    ("our 17 points", ours(keypoints=[[1, 2, 1]] * 17), "people[0].keypoints: has 17 points; valid: 133, 0, null"),
    ("our flat points", ours(keypoints=[1] * 133), "people[0].keypoints[0]: expected [x, y, score], got 1"),
    ("our pairs", ours(keypoints=[[1, 2]] * 133), "people[0].keypoints[0]: expected [x, y, score], got a list of 2"),
    ("our null", ours(keypoints=[[1, 2, None]] * 133), "people[0].keypoints[0][2]: expected a number, got null"),
    ("our empty string", ours(keypoints=""), "people[0].keypoints: expected a list, got ''"),
    ("our box", ours(keypoints=None, box=[1, 2, 3]), "people[0].box: expected [left, top, right, bottom], got a list"),
    ("our box score", ours(keypoints=[], box=[1, 2, 3, 4], box_score="1"), "people[0].box_score: expected a number"),
    ("places no list", {**places(), "keypoints": {}}, "keypoints: expected a list, got an object with 0 keys"),
    ("17 places", places([[1, 2]] * 17), "keypoints[0]: has 17 points; valid: 18, 0"),
    ("19 places", places([], [[1, 2]] * 19), "keypoints[1]: expected at most 18 items, got 19"),
    ("17 flat places", places(*[[1, 2]] * 17), "keypoints: has 17 points, expected lists of 18 or a multiple of 18"),
    ("a place of three", places([[1, 2, 3]] * 18), "keypoints[0][0]: expected [x, y], got a list of 3"),
    ("flat place of one", places(*[[1]] * 36), "keypoints[0]: expected [x, y], got a list of 1"),
    ("a place's string", places([[1, 2]] * 17 + [[1, "2"]]), "keypoints[0][17][1]: expected a number, got '2'"),
    ("a person among places", places([[1, 2]] * 18, 3), "keypoints[1]: expected a list, got 3"),
    ("too many bodies", places(*[[]] * (MAX_PEOPLE + 1)), "keypoints: expected at most 1000 items, got 1001"),
]


@pytest.mark.parametrize(("junk", "message"), [pytest.param(*rest, id=name) for name, *rest in MALFORMED])
def test_malformed_documents_name_field_and_value(junk: Any, message: str) -> None:
    with pytest.raises(InvalidPoseData) as caught:
        read_scene(junk)
    assert str(caught.value).startswith(message)
    assert message.startswith(caught.value.field)
    assert len(str(caught.value)) < 250


KEYS = st.sampled_from(
    [
        *("people", "keypoints", "width", "height", "canvas_width", "canvas_height", "version", "animals", "box"),
        *("pose_keypoints_2d", "foot_keypoints_2d", "face_keypoints_2d", "hand_left_keypoints_2d"),
    ]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=6),
    max_leaves=20,
)


def reads_or_refuses(junk: Any, dialect: str | None, size: Size | None) -> None:
    try:
        scene = read_scene(junk, dialect=dialect, size=size)
    except InvalidPoseData as refused:
        assert refused.field  # noqa: PT017 - either outcome is right
        return
    for name in DIALECTS:
        json.dumps(DIALECTS[name].write(scene, THRESHOLD), allow_nan=False)


@settings(deadline=None)
@given(junk=ANY_JSON, dialect=st.none() | st.sampled_from(list(DIALECTS)), size=st.sampled_from([None, SIZE]))
def test_any_json_becomes_a_scene_or_is_refused(junk: Any, dialect: str | None, size: Size | None) -> None:
    reads_or_refuses(junk, dialect, size)


@settings(deadline=None)
@given(data=st.data(), junk=ANY_JSON, name=st.sampled_from(list(DIALECTS)))
def test_one_wrong_value_in_a_right_document(data: st.DataObject, junk: Any, name: str) -> None:
    whole: Any = copy.deepcopy(DIALECTS[name].write(random_scene(people=2), THRESHOLD))
    node: Any = {"": whole}
    key: Any = ""
    while isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans() | st.just(value=True)):
        node = node[key]
        key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
    node[key] = junk
    reads_or_refuses(whole, data.draw(st.sampled_from([None, name])), None)
