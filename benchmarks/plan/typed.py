"""Reads what a user typed strictly: values of axes, or an error of one line that says what to type."""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from adapters import networks
from adapters.contract import MODES
from adapters.declaration import DeclarationError
from adapters.recipes import HEADLINE, MODELS, MODERN, OURS, own
from adapters.registry import FRAMEWORKS, framework_of, is_arm
from benchmarks.errors import UsageError, shown
from benchmarks.files import NotRegular, open_regular

T = TypeVar("T")
MODE_NAMES = (*MODES, "recommended")


def values(given: Sequence[str] | None, default: Sequence[str], known: Sequence[str] = (), what: str = "") -> list[str]:
    """Split commas, drop repetitions, fall back on the default; UsageError names the nearest known value.

    An option that was given and is empty is an error: a script's variable that was not set must not mean everything.
    """
    found = split(given, what)
    for value in found if known else []:
        if value not in known:
            raise UsageError(f"unknown {what} {value!r}{nearest(value, known)}")
    return list(dict.fromkeys(found)) or list(default)


def nearest(value: str, known: Sequence[str]) -> str:
    """Return the end of an error about a value: the one that may have been meant, whatever its case, and all."""
    by_case = {name.lower(): name for name in known}
    near = difflib.get_close_matches(value.lower(), by_case, 1)
    hint = f"; did you mean {by_case[near[0]]}? Known: " if near else "; known: "
    return hint + ", ".join(known)


def arms(given: Sequence[str] | None) -> list[str]:
    """Return frameworks as they were typed, each of which may name a release or a label: jax, jax@0.7.2, jax@old."""
    found = values(given, [], what="framework")
    for arm in found:
        framework = framework_of(arm)
        if framework not in FRAMEWORKS:
            raise UsageError(f"unknown framework {framework!r}{nearest(framework, list(FRAMEWORKS))}")
        if arm != framework and not is_arm(arm):
            raise UsageError(f"framework {arm!r}: expected {framework}@VERSION, such as {framework}@1.2.3")
    return found


def numbers(given: Sequence[str] | None, default: Sequence[int], what: str, largest: int) -> list[int]:
    """Read whole numbers from 1 to `largest`; UsageError otherwise."""
    found = values(given, [str(number) for number in default], what=what)
    for value in found:
        if not value.isdecimal() or not 1 <= int(value) <= largest:
            raise UsageError(f"{what} {value!r}: expected whole numbers from 1 to {largest}")
    return [int(value) for value in found]


def chosen_recipes(models: Sequence[str] | None, recipes: Sequence[str] | None) -> list[str]:
    """Return recipe names: those asked for, or the recipes of the models asked for, or the headline's."""
    if models and recipes:
        raise UsageError("--model and --recipe together: a recipe names its model; give one of them")
    if recipes:
        return _networks(recipes, [], OURS, "recipe")
    return chosen_models(models)  # each has a recipe of its own name


def chosen_models(given: Sequence[str] | None) -> list[str]:
    """Return names of networks, the headline's by default; `modern` stands for MODERN."""
    asked = [name for one in split(given, "model") for name in (MODERN if one == "modern" else [one])]
    return _networks(asked, HEADLINE, [*MODELS, "modern"], "model")


def _networks(given: Sequence[str], default: Sequence[str], known: Sequence[str], what: str) -> list[str]:
    """Return names of networks; a FILE.toml is read, and its network known from here on by the name it gets."""
    found = {name: read_network(Path(name)) for name in split(given, what) if name.endswith(".toml")}
    asked = [found.get(name, name) for name in split(given, what)]
    stems: dict[str, str] = {}
    for path, name in found.items():
        stem = name.rpartition("-")[0] or name
        if name not in OURS and found[stems.setdefault(stem, path)] != name:
            raise UsageError(
                f"{shown(stems[stem])} and {shown(path)} are two networks of one name, {stem}; rename one in its file"
            )
    return values(asked, default, [*known, *found.values(), "FILE.toml"], what)


def read_network(path: Path) -> str:
    """Read a network of the user's own and return the name by which it is known here; UsageError, one line."""
    try:
        with open_regular(Path(os.path.realpath(path))) as file:
            content = file.read(networks.MAX_BYTES + 1)
        return own(networks.parsed(content, shown(path))).name
    except NotRegular as error:
        raise UsageError(shown(str(error))) from None
    except OSError as error:
        raise UsageError(f"cannot read {shown(path)}: {error.strerror or error}; docs/networks.md has one") from None
    except DeclarationError as error:
        message = str(error)
        raise UsageError(message if message.startswith(shown(path)) else f"{shown(path)}: {message}") from None


def chosen_modes(given: Sequence[str] | None) -> list[str | None]:
    """Return the modes asked for; None stands for each adapter's recommended one, the default."""
    return [None if name == "recommended" else name for name in values(given, ["recommended"], MODE_NAMES, "mode")]


def split(given: Sequence[str] | None, what: str) -> list[str]:
    """Return what was typed for an option, split at commas; UsageError where it was given and is empty."""
    found = [part.strip() for item in given or [] for part in item.split(",") if part.strip()]
    if given and not found:
        raise UsageError(f"an empty {what or 'value'} was given (an unset variable?): name one, or leave it out")
    return found


def only(found: Sequence[T], option: str) -> T:
    """Return the one value of an option; UsageError where there are more."""
    if len(found) != 1:
        raise UsageError(f"{option} {', '.join(map(str, found))}: one at a time; give one")
    return found[0]


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine alone, whatever a name server says."""
    return host == "localhost" or (is_numeric(host) and ipaddress.ip_address(host).is_loopback)


def is_numeric(host: str) -> bool:
    """Return whether a host is an address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
