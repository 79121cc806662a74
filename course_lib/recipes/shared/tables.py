"""Tables in data/measurements: begun for certain networks, saved row by row, and resumed after an interruption."""

import json
import sys
from collections.abc import Callable, Iterable

from course_lib.support.files import (
    CourseFileError,
    atomic_write,
    checksums,
    data_folder,
    record_checksum,
    shipped_file,
)


def resume(name: str, networks: Iterable[str], begin: Callable[[], dict]) -> dict:
    """The table that is there, if it was measured on these very networks; else a new one.

    Args:
        name: of the table and of its recipe, such as "guidance_scales".
        networks: all on which its figures depend, judges too. Their checksums stand in the table.
        begin: makes what a new table holds before its first row.

    Raises:
        CourseFileError: if the file was changed since it was saved, or holds no table.
    """
    shipped = {network: checksums()[f"checkpoints/{network}.safetensors"] for network in sorted(networks)}
    if (data_folder() / _file(name)).is_file():
        path = shipped_file(_file(name))  # which refuses a table that was changed by hand
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            measured_on = table["checkpoints_sha256"]
        except (ValueError, TypeError, KeyError):
            raise CourseFileError(f"{path} is no table of measurements: delete it to measure from the start.") from None
        if measured_on == shipped:
            return table
        print(f"{path.name} was measured on other networks: measuring again from the start.", file=sys.stderr)
    recipe = f"python -m course_lib.recipes.measurements.{name}"
    return {"recipe": recipe, "checkpoints_sha256": shipped, **begin()}


def save(name: str, table: dict) -> None:
    """Write the table, whole or not at all, and its checksum."""
    with atomic_write(data_folder() / _file(name)) as partial:
        partial.write_text(json.dumps(table, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    record_checksum(_file(name))


def _file(name: str) -> str:
    return f"measurements/{name}.json"
