"""The whole answer as JSON: raw keypoints in photo pixels and, per person, the entry of a pose document."""

import orjson

from app.answer import Answer
from app.formats.format import Format
from pose_core.dialects import DIALECTS


def write(answer: Answer) -> bytes:
    """`keypoints` are all 133, never thresholded; `openpose` shows only the asked-for parts, in map pixels."""
    dialect, scene = DIALECTS[answer.dialect], answer.scene
    people = [
        {
            "box": [pose.box.left, pose.box.top, pose.box.right, pose.box.bottom],
            "box_score": pose.box.score,
            "keypoints": pose.keypoints,
            "openpose": dialect.write_person(person, answer.threshold, scene.size),
        }
        for pose, person in zip(answer.poses, scene.people, strict=True)
    ]
    body: dict[str, object] = {
        "width": answer.photo_size.width,
        "height": answer.photo_size.height,
        "people": people,
        "canvas_width": scene.size.width,
        "canvas_height": scene.size.height,
        "dialect": answer.dialect,
        "estimator": answer.estimator,
        "detector": answer.detector,
        "provider": answer.provider,
    }
    if answer.include_map:
        body["map"] = answer.map_data_url()
    body["timings_ms"] = {stage: round(seconds * 1e3, 3) for stage, seconds in answer.timer.seconds.items()}
    body["warnings"] = answer.warnings
    with answer.timer("encode"):
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


FORMAT = Format("application/json", "json", write)
