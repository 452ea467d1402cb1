"""TLS: always verified, against certifi's bundle or the configured file."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from tcbsync.cloud.client import open_cloud
from tcbsync.cloud.sources import NoToken
from tcbsync.cloud.wire import CloudSettings
from tcbsync.core.errors import ConfigError, Misconfigured
from tests.cloud.scripted import answering, json_answer, serving

if TYPE_CHECKING:
    from pathlib import Path

FILE_ID = "cloud://env.b/a.txt"
LINK = json_answer(url="http://h/b/", authorization="a", token="t", file_id=FILE_ID, cos_file_id="c")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate for 127.0.0.1 that nobody has signed; the key is in the same file."""
    path = tmp_path / "self-signed.pem"
    subject = ["-subj", "/CN=tests", "-addext", "subjectAltName=IP:127.0.0.1"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command = ["openssl", "req", "-x509", *curve, "-nodes", "-days", "2", *subject, "-keyout", str(path), "-out", "-"]
    try:
        made = subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl")
    path.write_bytes(path.read_bytes() + made.stdout)
    return path


def serving_tls(certificate: Path) -> ssl.SSLContext:
    """Return the server's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_an_unknown_certificate_is_refused(certificate: Path) -> None:
    """A server whose certificate nobody signed gets nothing, and a person is told what to look at."""
    async with serving(answering(LINK), serving_tls(certificate)) as url:
        cloud = open_cloud(CloudSettings(api_base=url), NoToken())
        with pytest.raises(Misconfigured, match="self-signed certificate") as caught:
            await cloud.link("env", "a.txt")
        await cloud.close()

    assert "service.ca_file" in caught.value.hint


async def test_a_configured_authority_is_trusted(certificate: Path) -> None:
    """The certificates in ca_file are trusted."""
    async with serving(answering(LINK), serving_tls(certificate)) as url:
        cloud = open_cloud(CloudSettings(api_base=url, ca_file=str(certificate)), NoToken())
        link = await cloud.link("env", "a.txt")
        await cloud.close()

    assert link.file_id == FILE_ID


@pytest.mark.parametrize("content", [None, b"no certificate"])
async def test_a_bad_file_of_authorities(tmp_path: Path, content: bytes | None) -> None:
    """A ca_file that is missing or holds no certificate is a configuration error that names it."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=r"ca\.pem"):
        open_cloud(CloudSettings(ca_file=str(path)), NoToken())
