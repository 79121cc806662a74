"""Pages and tables, in which what students wrote is text and nothing else."""

import html
from pathlib import Path

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #d0d0d0; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td:has(.bar) { white-space: nowrap; }
.says { white-space: pre-wrap; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; margin: 0; }
.bar { background: #0072b2; height: .8rem; display: inline-block; vertical-align: middle; }
.rest { background: #e0e0e0; height: .8rem; display: inline-block; vertical-align: middle; }
@media print { body { margin: 0; } }
"""


def write_page(path: Path, title: str, body: str) -> None:
    """Write a page that needs nothing beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{safe(title)}</title><style>{STYLE}</style>'
    path.write_text(f"{page}</head>\n<body>\n{body}\n</body></html>\n", encoding="utf-8", errors="replace")


def safe(text: str) -> str:
    """What a student wrote, as text and nothing else."""
    return html.escape(str(text))


def count(number: int, what: str) -> str:
    """So many of something: "1 point", "2 points"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def paragraphs(text: str) -> str:
    """A text of the course's own: lines go on where the page ends, a blank line begins anew, and a table stays as it is."""
    return "".join(f"<p{_kept(part)}>{safe(part)}</p>" for part in text.split("\n\n"))


def _kept(part: str) -> str:
    return ' class="says"' if part.lstrip().startswith(("|", "- ")) else ""


def harmless(value: object) -> object:
    """A cell of a table: what a student wrote is no formula for the instructor's spreadsheet."""
    formula = isinstance(value, str) and value != "-" and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if formula else value


def written(text: str) -> str:
    """What was written into a cell of a table, before ``harmless``."""
    return text[1:] if text[:1] == "'" and text[1:] and harmless(text[1:]) == text else text
