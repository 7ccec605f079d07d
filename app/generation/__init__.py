"""From a photo, a pose or a map to a picture: the optional chain to ControlNet pipelines of diffusers.

Importing this package imports neither torch nor diffusers; the first picture does.
"""
