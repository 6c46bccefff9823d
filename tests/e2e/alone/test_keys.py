"""A service that others can reach: HTTPS, keys with rights in a file, allowed roots; what it refuses, and what its log
says of that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from graph.client import Client
from graph.config.api_keys import new_key
from graph.config.keyring import as_yaml
from graph.http.guards.rights import ROUTES
from lookalike_client.errors import Forbidden, ServiceUnreachable, Unauthorized
from tests.e2e.certificates import make_certificates
from tests.e2e.raw_http import raw_client
from tests.e2e.running_service import RunningService, service, wait_for
from tests.e2e.service_config import write_config
from tests.unit.graph.local_catalog import photo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

RIGHTS = ("read", "write", "admin")
EVIL = "https://evil.example"
TRICKS = (
    "{photos}/../secret",
    "{photos}/../photos/../secret/",
    "{photos}/%2e%2e/../../secret",
    "{photos}/link",
    "{photos}/link/",
    "{photos}/./link/.",
    "{photos}-too",
    "//{secret}",
    "photos",
    "../secret",
    "/etc",
    "/",
)


@dataclass(frozen=True)
class Keyed:
    """keys: by name; each has the right that it is called after."""

    service: RunningService
    file: Path
    photos: Path
    keys: dict[str, str]
    opened: ExitStack

    def http(self, name: str | None = None) -> httpx.Client:
        headers = {} if name is None else {"X-API-Key": self.keys.get(name, name)}
        return raw_client(self.service.url, verify=self.service.verify, headers=headers)

    def client(self, name: str) -> Client:
        return self.opened.enter_context(Client(self.service.url, self.keys[name]))

    def refusals(self) -> list[str]:
        return [line for line in self.logs().splitlines() if " refused: " in line]

    def logs(self) -> str:
        """All that any process of the service has written."""
        [head] = self.service.processes_named("graph.serving.ray_head")
        [session] = Path("/tmp/ray").glob(f"session_*_{head}")
        files = [path for path in session.glob("logs/**/*") if path.is_file() and not path.is_symlink()]
        return self.service.log + "".join(path.read_text(errors="replace") for path in files)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    folder = tmp_path_factory.mktemp("keyed")
    photos = folder / "photos"
    for place in (photos, folder / "secret", folder / "photos-too"):
        place.mkdir()
        (place / "one.jpg").write_bytes(photo(1))
    (photos / "two.jpg").write_bytes(photo(2))
    (photos / "link").symlink_to(folder / "secret")
    (photos / "linked.jpg").symlink_to(folder / "secret" / "one.jpg")
    made = {name: new_key(name, [name]) for name in RIGHTS} | {"seldom": new_key("seldom", ["read"], None, 3)}
    keys = {name: key for name, (key, _) in made.items()}
    entries = {name: as_yaml(kept) for name, (_, kept) in made.items()}
    keys["old"], kept = new_key("old", RIGHTS)
    entries["old"] = as_yaml(kept).replace("}", ", expires_at: 2020-01-01}")
    (folder / "keys.yaml").write_text("\n".join(entries.values()))
    tls = make_certificates(folder)
    config = write_config(
        folder / "config.yaml",
        args={
            "api_keys_file": str(folder / "keys.yaml"),
            "allowed_roots": [str(photos)],
            "ambience": {"enabled": True},
        },
        http_options={"ssl_certfile": str(tls.certificate), "ssl_keyfile": str(tls.key)},
    )
    environment = {"SSL_CERT_FILE": str(tls.ca)}
    with ExitStack() as opened:
        running = opened.enter_context(service(folder / "data", config=config, ca=tls.ca, environment=environment))
        yield Keyed(running, folder / "keys.yaml", photos, keys, opened)


@pytest.fixture(autouse=True)
def trusts_the_ca(keyed: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(keyed.service.ca))


def address(route: str) -> tuple[str, str]:
    method, path = route.split()
    return method, path.replace("{id:path}", "nothing").replace("{id}", "nothing")


@pytest.mark.parametrize("name", RIGHTS)
def test_a_key_opens_the_routes_of_its_right_and_no_other(keyed: Keyed, name: str) -> None:
    with keyed.http(name) as http:
        for route, wanted in ROUTES.items():
            answer = http.request(*address(route))
            if name in wanted:
                assert answer.status_code not in (401, 403, 429), (route, answer.text)
            else:
                assert answer.status_code == 403, (route, answer.text)
                assert "lacks the right" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", [None, "no-such-key", "", "old"])
def test_without_a_key_that_is_right_and_young_every_route_is_401(keyed: Keyed, name: str | None) -> None:
    with keyed.http(name) as http:
        for route in ROUTES:
            assert http.request(*address(route)).status_code == 401, route
        for path in ("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/page/app.js"):
            assert http.get(path, headers={"Accept": "text/html"}).status_code == 200, path
        for path in ("/v1//images", "/%76%31/images", "/v1/images/../jobs", "/page/../v1/jobs", "/healthz/../v1/jobs"):
            assert http.get(path).status_code == 401, path


def test_a_page_of_another_site_can_make_a_browser_change_nothing(keyed: Keyed) -> None:
    for name in RIGHTS:
        with keyed.http(name) as http:
            for route in ROUTES:
                if not route.startswith("GET"):
                    for headers in ({"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
                        answer = http.request(*address(route), headers=headers)
                        assert answer.status_code == 403, (route, headers, answer.text)


def test_a_job_reads_below_the_allowed_roots_alone_whatever_its_path_is_written_like(keyed: Keyed) -> None:
    secret = keyed.photos.with_name("secret")
    with keyed.http("write") as http:
        for trick in TRICKS:
            path = trick.format(photos=keyed.photos, secret=secret)
            for body in (
                {"kind": "index", "paths": [str(keyed.photos), path]},
                {"kind": "import", "paths": [path]},
                {"kind": "import", "paths": [str(keyed.photos)], "photos": path},
                {"kind": "import", "paths": [str(keyed.photos)], "keypoint_ranges": path},
                {"kind": "import", "paths": [str(keyed.photos)], "features": {path: "phash"}},
                {"kind": "eval", "path": path},
            ):
                answer = http.post("/v1/jobs", json=body)
                assert answer.status_code == 403, (body, answer.text)
                assert path in answer.json()["error"]["message"]
            assert http.post("/v1/library/watch", json={"path": path}).status_code == 403, path
        assert "allowed_roots" in http.post("/v1/jobs", json={"kind": "eval", "path": "/etc"}).text
    assert keyed.client("read").jobs() == ()
    job = keyed.client("write").submit_index([str(keyed.photos)])
    wait_for(lambda: keyed.client("read").job(job).state not in ("queued", "running"), "the job ends")
    assert sorted(image.id for image in keyed.client("read").images()) == ["one.jpg", "two.jpg"]
    assert [one.path for one in keyed.client("read").job_failures(job).failures] == [str(keyed.photos / "linked.jpg")]


def test_what_is_more_than_writing_needs_admin(keyed: Keyed) -> None:
    bodies = (
        {"kind": "backfill"},
        {"kind": "eval", "calibrate": True},
        {"kind": "import", "paths": [str(keyed.photos)], "keypoint_ranges": "postgresql://127.0.0.1:9/x"},
    )
    with keyed.http("write") as http:
        for body in bodies:
            answer = http.post("/v1/jobs", json=body)
            assert answer.status_code == 403, body
            assert "'admin'" in answer.json()["error"]["message"]
    with keyed.http("admin") as http, keyed.http("read") as reader:
        started = http.post("/v1/jobs", json={"kind": "backfill"})
        assert started.status_code == 202, started.text
        assert reader.post(f"/v1/jobs/{started.json()['id']}/stop").status_code == 403


def test_a_key_asks_so_often_in_a_minute_and_is_told_when_again(keyed: Keyed) -> None:
    with keyed.http("seldom") as http:
        answers = [http.get("/v1/stats") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert answers[-1].json()["error"]["code"] == "rate_limited"


def test_the_shell_and_the_client_speak_https_with_a_private_ca(keyed: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
    status = keyed.service.run("status", "--api-key", keyed.keys["read"])
    assert status.returncode == 0, status.stderr
    refused = keyed.service.run("train", "phash", "--api-key", keyed.keys["read"])
    assert refused.returncode == 1
    assert "lacks the right 'admin'" in refused.stderr
    with pytest.raises(Forbidden, match="lacks the right 'write'"):
        keyed.client("read").delete("two.jpg")
    with pytest.raises(httpx.TransportError):
        httpx.get(keyed.service.url.replace("https", "http"), trust_env=False)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ServiceUnreachable, match="SSL_CERT_FILE"):
        keyed.opened.enter_context(Client(keyed.service.url, keyed.keys["read"], retries=0)).stats()


def test_keys_are_changed_while_the_service_runs_and_a_broken_file_changes_none(keyed: Keyed) -> None:
    before = keyed.file.read_text()
    try:
        write(keyed.file, "- {name: broken")
        wait_for(
            lambda: answers(keyed, keyed.keys["read"]) and "the keys stay as they were" in keyed.logs(),
            "the broken file is in the log and the old keys are known",
        )
        key, kept = new_key("next", ["read"])
        write(keyed.file, as_yaml(kept))
        wait_for(lambda: answers(keyed, key), "the new key is known", 10)
        with pytest.raises(Unauthorized):
            keyed.client("read").stats()
        write(keyed.file, "[]")
        wait_for(lambda: not answers(keyed, key), "no key is left", 10)
        with keyed.http() as http:
            assert http.get("/v1/stats").status_code == 401
    finally:
        write(keyed.file, before)
    wait_for(lambda: answers(keyed, keyed.keys["read"]), "the old keys are back", 10)


def test_refusals_are_logged_by_name_and_no_key_is(keyed: Keyed) -> None:
    with keyed.http("read") as http:
        assert http.delete("/v1/images/a%0Ab").status_code == 403
    for name in (None, "no-such-key-of-ours", "old"):
        with keyed.http(name) as http:
            assert http.get("/v1/stats").status_code == 401

    def logged() -> bool:
        return any("'old' has expired" in line for line in keyed.refusals())

    wait_for(logged, "the refusals are in the log", 20)
    lines = keyed.refusals()
    for said in (
        "403, read, DELETE '/v1/images/a%0Ab' from 127.0.0.1",
        "401, no key, GET '/v1/stats' from 127.0.0.1",
        "401, a wrong key, GET '/v1/stats' from 127.0.0.1",
        "401, old, GET '/v1/stats' from 127.0.0.1",
    ):
        assert any(said in line for line in lines), (said, lines[-8:])
    everything = keyed.logs()
    for key in (*keyed.keys.values(), "no-such-key-of-ours"):
        assert key not in everything


def write(file: Path, text: str) -> None:
    """In one step."""
    new = file.with_suffix(".new")
    new.write_text(text)
    os.replace(new, file)


def answers(keyed: Keyed, key: str) -> bool:
    time.sleep(0.2)
    with keyed.http(key) as http:
        return http.get("/v1/stats").status_code == 200
