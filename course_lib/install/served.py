"""Which Pythons and machines the course can be installed on: those that its version of PyTorch has builds for.

Pythons from 3.6 on can read this file, so that an old one is answered in a sentence and not with a syntax error.
"""

import platform
import sys
import sysconfig

OLDEST, NEWEST = (3, 11), (3, 14)


def not_served() -> str:
    """Why the course cannot be installed here, in a sentence or two; empty if it can."""
    return _python() or _machine()


def _python() -> str:
    version = sys.version_info[:2]
    here = f"{version[0]}.{version[1]}"
    if version < OLDEST:
        return f"Python {here} is too old: the course needs 3.11 to 3.14."
    if version > NEWEST:
        return f"Python {here} is too new for the course's PyTorch: it needs 3.11 to 3.14."
    if platform.python_implementation() != "CPython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return f"The course needs the usual Python {here}, not PyPy or a free-threaded build."
    return ""


def _machine() -> str:
    system, machine = platform.system(), platform.machine().lower()
    colab = "The notebooks run on Colab instead."
    if system == "Linux":
        library, release = platform.libc_ver()
        if machine not in ("x86_64", "aarch64") or sys.maxsize < 2**32:
            return (
                f"PyTorch has no Linux build for this Python's processor ({machine}), only for x86-64 and Arm. {colab}"
            )
        if library != "glibc" or [int(part) for part in release.split(".")[:2]] < [2, 28]:
            found = f"{library} {release}".strip() or "another C library"
            return f"PyTorch needs a Linux with glibc 2.28 or newer, but this one has {found}. {colab}"
    elif system == "Darwin":
        release = platform.mac_ver()[0]
        if machine != "arm64":
            return (
                "PyTorch is no longer built for Intel Macs, and this Python is an Intel one: on Apple silicon, install "
                f"Python from python.org. {colab}"
            )
        if int(release.split(".")[0]) < 14:
            return f"PyTorch needs macOS 14 or newer, but this is macOS {release}. {colab}"
    elif system == "Windows":
        if sysconfig.get_platform() != "win-amd64":
            return f"On Windows, PyTorch needs a Python for x86-64, but this one is for {sysconfig.get_platform()}. {colab}"
    else:
        return f"PyTorch is built for Linux, macOS and Windows, but this is {system}. {colab}"
    return ""
