"""Whole-body pose estimation and skeleton maps: numpy, OpenCV and onnxruntime, nothing else.

    pipeline = Pipeline(load_detector("skelmap-det"), load_estimator("skelmap-t"))
    estimate = pipeline.estimate_poses(image, PeopleRequest(), Timer())
    scene = OpenPoseScene(Size.of(image), openpose_people(estimate.keypoints))
    skeleton_map = render_map(STYLES["controlnet"](scene, 0.3), scene.size)

The words are those of `types`; the names above live in `pipeline`, `detectors`, `estimators`, `openpose`, `styles`,
`renderers` and `timing`. Importing this package imports none of them.
"""
