"""A sweep between machines that know each other by certificates, made by the commands of docs/engine.md."""

from __future__ import annotations

from tests.engine import certificates
from tests.engine.field import settled

FAKES = ("instant-0", "instant-1")
AMOUNT = ("--framework", ",".join(FAKES), "--model", "linear", "--rounds", "2", "--seeds", "0")


def made(folder, name):
    folder.mkdir(exist_ok=True)
    if not (folder / "ca.pem").exists():
        certificates.authority(folder)
    return certificates.machine(folder, name)


def test_machines_with_certificates_of_one_authority_sweep_and_others_are_kept_out(field, tmp_path):
    ours, foreign = (tmp_path / name for name in ("ours", "foreign"))
    scheduler = field.schedule(**made(ours, "lab"))
    assert field.address.startswith("tls://")
    field.join("m1", *FAKES, **made(ours, "m1"))
    stranger = field.start(
        "stranger", "cluster", "join", field.address, "--patience", "3", *AMOUNT[:2], **made(foreign, "m2")
    )
    driver = field.run(*AMOUNT, **made(ours, "me"))
    assert driver.wait() == 0
    settled(field.results, 4)
    assert stranger.wait() == 69
    assert "cannot join" in stranger.said()
    assert "handshake failed" in scheduler.said().lower()
    without = field.run(*AMOUNT, results="without")
    assert without.wait() == 2
    assert "needs certificates: set DASK_DISTRIBUTED__COMM__TLS__CA_FILE" in without.said()
    unknown = field.run(*AMOUNT, "--patience", "3", results="unknown", **made(foreign, "you"))
    assert unknown.wait() == 69
    assert "no scheduler at tls://" in unknown.said()
