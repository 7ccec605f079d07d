"""Stand-in for the components that a settings page is made of."""


class Component:
    """Anything with a value."""


class Textbox(Component):
    """A line of text."""


class Slider(Component):
    """A number in a range."""


class Radio(Component):
    """One of several."""
