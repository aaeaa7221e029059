from __future__ import annotations

import os
import shutil

import pytest

from tests.browser import chromium


@pytest.fixture
def absent(monkeypatch):
    """A machine without Chromium; what would be run as root is noted."""
    started = []
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.setattr(chromium, "install", lambda: started.append("install"))
    return started


def test_without_root_one_line_says_what_to_type(absent, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(chromium.NoChromium, match="apt-get install --no-install-recommends chromium") as caught:
        chromium.executable()
    assert "\n" not in str(caught.value)
    assert absent == []


def test_root_on_debian_installs_it(absent, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(chromium, "Path", lambda _: type("There", (), {"exists": lambda self: True})())
    with pytest.raises(chromium.NoChromium):
        chromium.executable()
    assert absent == ["install"]
