"""Lines that every console can show, even one without ✓, as Windows has when output goes into a file."""

import sys

PLAIN = {"✓": "[ok]", "✗": "[no]", "○": "[open]", "◐": "[tried]"}


def say(text: str) -> None:
    """Print a text; marks that the console lacks are spelt out, and any other character that it lacks becomes a ?."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        for mark, word in PLAIN.items():
            text = text.replace(mark, word)
        text = text.encode(encoding, errors="replace").decode(encoding)
    print(text)
