"""The certificates of docs/engine.md let their owners in and keep everybody else out, with real processes of Dask."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import dask.config
import pytest
import yaml

from tests.engine import certificates
from tests.process.faults.processes import ended

ROOT = Path(__file__).resolve().parents[2]
DASK = Path(sys.executable).with_name("dask")
LISTENS = re.compile(r"Scheduler at: +tls://127\.0\.0\.1:(\d+)")
START_S = 60
CLIENT = """
import sys
from distributed import Client
with Client(sys.argv[1], timeout=20) as client:
    print(client.submit(sum, [20, 22], pure=False).result(timeout=20))
"""
TLS = "DASK_DISTRIBUTED__COMM__TLS__"


def environment(variables):
    """Return this process's environment with these settings of Dask and no others, of files neither."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("DASK_")}
    return own | {"DASK_CONFIG": os.devnull} | variables


@contextlib.contextmanager
def running(command, variables, log):
    """Run a command for as long as it is needed."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(variables), stdout=file, stderr=file)
        try:
            yield
        finally:
            ended(process)


def seen(log, pattern, since=0):
    """Return the match of a pattern in what has been logged since some byte, as soon as there is one."""
    deadline = time.monotonic() + START_S
    while not (found := re.search(pattern, log.read_text()[since:])):
        assert time.monotonic() < deadline, f"no {pattern} in:\n{log.read_text()}"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ours")
    return certificates.make(folder), folder


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("theirs")
    return certificates.make(folder), folder


@pytest.fixture(scope="module")
def scheduler(ours):
    """The port of a scheduler with one member, and the file it logs to."""
    variables, folder = ours
    log, members = folder / "scheduler.log", folder / "member.log"
    arguments = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    with running([DASK, "scheduler", *arguments], variables, log):
        port = int(seen(log, LISTENS)[1])
        member = [DASK, "worker", f"tls://127.0.0.1:{port}", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny"]
        member += ["--no-dashboard", "--local-directory", str(folder)]
        with running(member, certificates.machine(folder, "m02"), members):
            seen(log, "Register worker addr: tls://")
            yield port, log


def asked(address, variables):
    """Return what a driver with these settings prints, and what it complains of, which is empty where it got in."""
    command = [sys.executable, "-c", CLIENT, address]
    done = subprocess.run(command, env=environment(variables), capture_output=True, text=True, timeout=120, check=False)
    assert bool(done.returncode) == bool(done.stderr), done.stderr
    return done.stdout.strip(), done.stderr


def knock(port, log, reason, how):
    """Knock, and return what it says, once the scheduler has logged why it refused."""
    since = len(log.read_text())
    answer = how(port)
    seen(log, f"TLS handshake failed.*{reason}", since)
    assert "Receive client connection" not in log.read_text()[since:]
    return answer


def test_the_right_certificate_works(scheduler, ours):
    assert asked(f"tls://127.0.0.1:{scheduler[0]}", ours[0]) == ("42", "")


def test_a_certificate_of_another_authority_is_refused(scheduler, ours, theirs):
    """It trusts ours, so that it is the scheduler that refuses."""
    variables = theirs[0] | {f"{TLS}CA_FILE": ours[0][f"{TLS}CA_FILE"]}
    printed, error = knock(
        *scheduler, "CERTIFICATE_VERIFY_FAILED", lambda port: asked(f"tls://127.0.0.1:{port}", variables)
    )
    assert not printed
    assert "TLS" in error


def test_who_trusts_another_authority_does_not_talk_to_our_scheduler(scheduler, theirs):
    printed, error = knock(*scheduler, "UNKNOWN_CA", lambda port: asked(f"tls://127.0.0.1:{port}", theirs[0]))
    assert not printed
    assert "TLS certificate does not match" in error


def test_no_certificate_is_refused(scheduler, ours):
    """By plain TLS: without a certificate Dask's own client does not even try."""

    def without(port):
        context = ssl.create_default_context(cafile=ours[1] / "ca.pem")
        context.check_hostname = False  # as Dask has it
        with (
            socket.create_connection(("127.0.0.1", port), 20) as plain,
            context.wrap_socket(plain) as line,
            pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"),
        ):
            line.recv(1)

    knock(*scheduler, "PEER_DID_NOT_RETURN_A_CERTIFICATE", without)


def test_without_tls_nobody_is_let_in(scheduler):
    printed, error = knock(*scheduler, "WRONG_VERSION_NUMBER", lambda port: asked(f"tcp://127.0.0.1:{port}", {}))
    assert not printed
    assert "CommClosedError" in error


def test_our_own_scheduler_asks_for_a_certificate_as_the_document_shows(ours):
    variables, folder = ours
    log = folder / "schedule.log"
    command = [sys.executable, "-m", "benchmarks", "cluster", "schedule", "--port", "0", "--dashboard", "127.0.0.1:0"]
    with running(command, variables, log):
        port = seen(log, r"scheduler at tls://127\.0\.0\.1:(\d+)")[1]
        knocks = certificates.block("openssl s_client").replace("192.0.2.1:8786", f"127.0.0.1:{port}")
        shown = f"{knocks.strip()} -cert m01.pem -key m01.key"
        said = [certificates.run(f"{each.strip()} 2>&1 || true", folder) for each in (knocks, shown)]
    assert ["alert certificate required" in each for each in said] == [True, False], said
    assert all("Verify return code: 0 (ok)" in each for each in said), said


def test_with_the_settings_a_driver_does_not_talk_without_tls(ours):
    """To a scheduler that someone put in the place of ours."""
    printed, error = asked("tcp://127.0.0.1:9", ours[0])
    assert not printed
    assert "encryption required by Dask configuration" in error


def test_every_file_is_its_owners_alone(ours):
    files = [path for path in ours[1].iterdir() if path.suffix in (".key", ".pem")]
    assert {path.name for path in files} >= {"ca.key", "ca.pem", "m01.key", "m01.pem"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_the_file_of_settings_says_what_the_variables_say(ours):
    text = certificates.block(certificates.SETTINGS).replace("/home/me/.config/lockstep", str(ours[1]))
    file, variables = yaml.safe_load(text), dask.config.collect_env(ours[0])
    tls = file["distributed"]["comm"]["tls"]
    keys = [f"tls.{role}.{what}" for role in tls.keys() - {"ca-file"} for what in ("cert", "key")]
    assert len(keys) == 6
    for key in ("require-encryption", "tls.ca-file", *keys):
        name = f"distributed.comm.{key}"
        assert dask.config.get(name, config=file) == dask.config.get(name, config=variables), name
