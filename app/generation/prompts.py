"""What of a prompt the text encoders never read."""

from collections.abc import Mapping


def cut_off(pipeline: object, tokens: Mapping[str, int], text: str) -> dict[str, str]:
    """The end of a text that each tokenizer leaves out, by its name; empty where everything is read.

    Args:
        pipeline: has the tokenizers as attributes.
        tokens: how many each text encoder reads, with those that mark start and end.
        text: the prompt.
    """
    lost = {}
    for name, most in tokens.items():
        tokenizer = getattr(pipeline, name, None)
        if tokenizer is None:
            continue
        ids = tokenizer(text, add_special_tokens=False, truncation=False).input_ids
        room = most - tokenizer.num_special_tokens_to_add()
        if len(ids) > room:
            lost[name] = tokenizer.decode(ids[room:]).strip()
    return lost


def prompt_warnings(pipeline: object, tokens: Mapping[str, int], prompts: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for every prompt and tokenizer that cuts it, with the words that are not read."""
    return tuple(
        f"{field} is too long: {name} reads {tokens[name]} tokens, not read: {words!r}"
        for field, text in prompts.items()
        for name, words in cut_off(pipeline, tokens, text).items()
    )
