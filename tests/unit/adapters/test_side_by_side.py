"""Two adapters side by side read as the list of real differences: same order, and nothing that the contract says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from adapters.registry import FRAMEWORKS, WRAPPERS

ROOT = Path(__file__).resolve().parents[3]


def methods(path: Path, name: str) -> dict[str, str]:
    """Return what each method of a class does, as text without docstrings and comments, in the order of the file."""
    classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    [found] = [node for node in classes if node.name == name]
    texts = {}
    for method in (node for node in found.body if isinstance(node, ast.FunctionDef)):
        documented = ast.get_docstring(method) is not None
        texts[method.name] = ast.unparse(ast.Module(method.body[documented:], []))
    return texts


CONTRACT = methods(ROOT / "adapters" / "contract.py", "Adapter")


@pytest.fixture(params=[record.adapter for record in (*FRAMEWORKS.values(), *WRAPPERS.values())])
def own(request):
    """The methods of an adapter that the contract has, too."""
    module, _, name = request.param.partition(":")
    path = ROOT / module.replace(".", "/")
    found = methods(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"), name)
    return {name: text for name, text in found.items() if name in CONTRACT}


def test_an_override_stands_where_the_contract_has_it(own):
    assert list(own) == [name for name in CONTRACT if name in own]


def test_no_override_says_what_the_default_says(own):
    assert not [name for name, text in own.items() if text == CONTRACT[name]]
