"""Remote OpenPose preprocessors for the ControlNet of A1111's web UI and of Forge."""
