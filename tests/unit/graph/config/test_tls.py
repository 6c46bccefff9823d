"""The certificate of a service: files that fit together, or a refusal that names the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.config.serve_file import load_config_file
from storage.errors import Misconfigured
from tests.e2e.certificates import make_certificates

CONFIG = """http_options:
  host: 127.0.0.1
  port: 8000
{lines}
applications:
  - import_path: graph.app:build
"""


def load(folder: Path, **options: object) -> object:
    lines = "\n".join(f"  {name}: {value}" for name, value in options.items())
    (folder / "config.yaml").write_text(CONFIG.format(lines=lines))
    return load_config_file(folder / "config.yaml", {})


def test_a_certificate_and_its_key_make_https_which_haproxy_alone_is_told(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    (tmp_path / "config.yaml").write_text(
        CONFIG.format(lines=f"  ssl_certfile: {made.certificate}\n  ssl_keyfile: {made.key}")
    )
    config = load_config_file(tmp_path / "config.yaml", {})
    assert config.scheme == "https"
    assert config.tls is not None
    pem = config.tls.as_one().decode()
    assert pem.index("BEGIN CERTIFICATE") < pem.index("BEGIN PRIVATE KEY")
    assert set(config.document_behind_haproxy()["http_options"]) == {"host", "port"}
    assert "ssl_certfile" in config.document["http_options"]


def test_without_files_it_is_http(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.format(lines=""))
    config = load_config_file(tmp_path / "config.yaml", {})
    assert (config.scheme, config.tls) == ("http", None)


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    (tmp_path / "other").mkdir()
    other = make_certificates(tmp_path / "other")
    with pytest.raises(Misconfigured, match=r"config\.yaml:\d+: http_options.ssl_keyfile is None"):
        load(tmp_path, ssl_certfile=made.certificate)
    with pytest.raises(Misconfigured, match=r"config\.yaml:4: .*none\.pem cannot be read: No such file"):
        load(tmp_path, ssl_certfile=tmp_path / "none.pem", ssl_keyfile=made.key)
    with pytest.raises(Misconfigured, match=r"are not a certificate and its key: KEY_VALUES_MISMATCH"):
        load(tmp_path, ssl_certfile=made.certificate, ssl_keyfile=other.key)
    with pytest.raises(Misconfigured, match="are not a certificate and its key"):
        load(tmp_path, ssl_certfile=made.ca, ssl_keyfile=made.ca)
    with pytest.raises(Misconfigured, match="ssl_keyfile_password is not supported"):
        load(tmp_path, ssl_certfile=made.certificate, ssl_keyfile=made.key, ssl_keyfile_password="x")
