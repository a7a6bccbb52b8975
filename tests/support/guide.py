"""Configurations as a guide shows them: what the tests run is what a reader copies."""

import re
from pathlib import Path
from typing import Final

_GUIDES: Final = Path(__file__).resolve().parents[2] / "docs" / "guides"
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown_config(guide: str, language: str, *, nth: int = 0, replacing: dict[str, str]) -> str:
    """A block of a guide, with what its reader puts in.

    Args:
        guide: the file's name without its ending.
        language: what stands behind the block's opening.
        nth: which of that language, from 0.
        replacing: names of the example and what they are here; each must occur.
    """
    text = (_GUIDES / f"{guide}.md").read_text("utf-8")
    block: str = [body for of, body in _BLOCK.findall(text) if of == language][nth]
    for example, here in replacing.items():
        assert example in block, f"{example} is not in the {language} block of {guide}.md"
        block = block.replace(example, here)
    return block
