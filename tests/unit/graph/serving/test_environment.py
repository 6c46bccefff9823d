"""What Ray's processes are told: nothing of one service is another's, and what an operator set stays."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

from graph.serving import haproxy_config
from graph.serving.environment import own_address, prepare_ray_environment


def environment_of(folder: Path, first_port: int, *, alone: bool = True, **given: str) -> dict[str, str]:
    ports = itertools.count(first_port)
    environment = dict(given)
    prepare_ray_environment(folder, lambda: next(ports), alone=alone, environment=environment)
    return environment


def test_two_services_share_no_port_and_no_file(tmp_path: Path) -> None:
    first, second = environment_of(tmp_path / "a", 40_001), environment_of(tmp_path / "b", 50_002)
    own = [name for name in first if name.endswith("_PORT") or str(tmp_path) in first[name]]
    assert len(own) == 11
    assert not {first[name] for name in own} & {second[name] for name in own}


def test_the_routers_ports_lie_between_those_of_rays_workers_and_those_of_the_kernel(tmp_path: Path) -> None:
    for port in (40_000, 40_119, 60_999):
        environment = environment_of(tmp_path, port)
        first = int(environment["RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"])
        last = int(environment["RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT"])
        assert 19_999 < first < last < 32_768
        assert last - first == 99


def test_what_is_set_already_stays(tmp_path: Path) -> None:
    environment = environment_of(tmp_path, 40_000, RAY_SERVE_ENABLE_HA_PROXY="0", RAY_SERVE_HAPROXY_STATS_PORT="1")
    assert environment["RAY_SERVE_ENABLE_HA_PROXY"] == "0"
    assert environment["RAY_SERVE_HAPROXY_STATS_PORT"] == "1"
    assert environment["RAY_AUTH_MODE"] == "token"


def test_only_a_cluster_of_its_own_is_kept_on_loopback(tmp_path: Path) -> None:
    kept = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
    assert environment_of(tmp_path, 40_000)[kept] == "0"
    assert kept not in environment_of(tmp_path, 40_000, alone=False)


def test_haproxy_is_started_through_the_program_that_amends_its_configuration(tmp_path: Path) -> None:
    starter = Path(environment_of(tmp_path, 40_000)["RAY_SERVE_HAPROXY_BINARY_PATH"])
    version = subprocess.run([str(starter), "-v"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("HAProxy")
    assert haproxy_config.__file__ in starter.read_text()


def test_a_proxy_is_not_used_for_the_services_own_connections(tmp_path: Path) -> None:
    environment = environment_of(tmp_path, 40_000, HTTPS_PROXY="http://proxy:3128", no_proxy="intranet,localhost")
    own = ["localhost", "127.0.0.1", "::1", *own_address()]
    assert environment["no_proxy"].split(",") == list(dict.fromkeys(["intranet", *own]))
    assert environment["NO_PROXY"].split(",") == list(dict.fromkeys(own))
    assert "no_proxy" not in environment_of(tmp_path, 40_000)
