"""A Ray Serve configuration file, read and checked as a whole before Ray is started.

Ray would take a misspelt key of ours for granted or report it from another process minutes later; here every fault is
one line that names the file, the line and the nearest known key. The result is still an ordinary Serve document.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from graph.config.faults import first_fault
from graph.config.part_names import section_of
from graph.config.settings import AppSettings, app_settings, is_zero_shot
from graph.config.tls import CERTIFICATE, KEY, TlsFiles, tls_files
from graph.config.yaml_source import KeyPath, YamlSource, read_yaml
from storage.errors import did_you_mean

IMPORT_PATH = "graph.app:build"
ROUTER = "router"
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000

# fmt: off
# The fields of ray.serve.schema in Ray 2.60; a test compares them.
TOP_KEYS = frozenset({
    "applications", "controller_options", "grpc_options", "http_options", "logging_config", "proxy_location",
    "target_capacity", "tracing_config",
})
HTTP_KEYS = frozenset({
    "host", "keep_alive_timeout_s", "port", "request_timeout_s", "root_path", "ssl_ca_certs", "ssl_certfile",
    "ssl_keyfile", "ssl_keyfile_password",
})
APPLICATION_KEYS = frozenset({
    "args", "autoscaling_policy", "deployments", "external_scaler_enabled", "host", "import_path", "logging_config",
    "name", "port", "route_prefix", "runtime_env",
})
DEPLOYMENT_KEYS = frozenset({
    "autoscaling_config", "backpressure_config", "deployment_actors", "gang_scheduling_config",
    "graceful_shutdown_timeout_s", "graceful_shutdown_wait_loop_s", "health_check_period_s",
    "health_check_timeout_s", "logging_config", "max_ongoing_requests", "max_queued_requests",
    "max_replicas_per_node", "max_surge_percent", "name", "num_replicas", "placement_group_bundle_label_selector",
    "placement_group_bundles", "placement_group_strategy", "ray_actor_options", "request_router_config",
    "rolling_update_percentage", "user_config",
})
# fmt: on


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """A checked file. document: the Serve document, with the overrides and defaults in it."""

    host: str
    port: int
    app: AppSettings
    document: Mapping[str, Any]
    application: int  # position of ours among the document's applications
    tls: TlsFiles | None = None

    @property
    def scheme(self) -> str:
        return "http" if self.tls is None else "https"

    def document_behind_haproxy(self) -> dict[str, Any]:
        """Without the certificate: HAProxy has it, and speaks plain HTTP with the routers on this machine."""
        http = {name: value for name, value in self.document["http_options"].items() if name not in (CERTIFICATE, KEY)}
        return {**self.document, "http_options": http}

    def with_overrides(
        self, *, data_dir: Path | None = None, host: str | None = None, port: int | None = None
    ) -> ServeConfig:
        """The same with what the command line said."""
        changed = replace(
            self,
            host=host or self.host,
            port=self.port if port is None else port,
            app=self.app.model_copy(update={"data_dir": (data_dir or self.app.data_dir).expanduser().absolute()}),
        )
        document = copy.deepcopy(dict(self.document))
        document["http_options"] = {**(document.get("http_options") or {}), "host": changed.host, "port": changed.port}
        ours = document["applications"][self.application]
        ours["args"] = {**(ours.get("args") or {}), "data_dir": str(changed.app.data_dir)}
        return replace(changed, document=document)


def default_config() -> Path:
    """``configs/local.yaml``: of the folder one is in, so that a clone's own is used, else the one that was
    installed.
    """
    here = Path("configs/local.yaml")
    return here if here.is_file() else Path(__file__).resolve().parents[2] / "configs" / "local.yaml"


def load_config_file(
    path: Path,
    environment: Mapping[str, str] | None = None,
    *,
    part_configs: Mapping[str, type[BaseModel]] | None = None,
) -> ServeConfig:
    """Reads and checks a whole file; ``data_dir`` becomes absolute.

    part_configs: by name, the settings of every extractor and annotator there is; without it names and options go
    unchecked. Raises Misconfigured with file, line and key.
    """
    source = read_yaml(path)
    document = _mapping(source, (), source.value, TOP_KEYS)
    http = _mapping(source, ("http_options",), document.get("http_options"), HTTP_KEYS)
    host, port = http.get("host", DEFAULT_HOST), http.get("port", DEFAULT_PORT)
    if not isinstance(host, str):
        raise source.fault(
            ("http_options", "host"), f"http_options.host is {host!r}", "give an address such as 127.0.0.1"
        )
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise source.fault(("http_options", "port"), f"http_options.port is {port!r}", "give a number from 1 to 65535")
    index = _our_application(source, document)
    application, where = document["applications"][index], ("applications", index)
    args = _mapping(source, (*where, "args"), application.get("args"))
    settings = app_settings(args, environment, fault=source.faults_below((*where, "args")))
    if part_configs is not None:
        _check_parts(source, (*where, "args"), settings, part_configs)
    deployed = [name for name, options in settings.annotators.items() if not is_zero_shot(options)]
    known = {ROUTER, *settings.extractors, *deployed}
    _check_deployments(source, (*where, "deployments"), application.get("deployments"), known)
    tls = tls_files(http, lambda key, message, hint: source.fault(("http_options", key), message, hint))
    return ServeConfig(host, port, settings, document, index, tls).with_overrides()


def _our_application(source: YamlSource, document: Mapping[str, Any]) -> int:
    applications = [
        _mapping(source, ("applications", index), application, APPLICATION_KEYS)
        for index, application in enumerate(_sequence(source, ("applications",), document.get("applications")))
    ]
    ours = [index for index, application in enumerate(applications) if application.get("import_path") == IMPORT_PATH]
    if len(ours) != 1:
        hint = f"have exactly one application with import_path: {IMPORT_PATH}"
        raise source.fault(("applications",), f"{len(ours)} applications have the import_path {IMPORT_PATH}", hint)
    return ours[0]


def _check_parts(
    source: YamlSource, args: KeyPath, settings: AppSettings, configs: Mapping[str, type[BaseModel]]
) -> None:
    """Raises Misconfigured for a part that does not exist or an option that it does not have."""
    for block, parts in (("extractors", settings.extractors), ("annotators", settings.annotators)):
        for name, options in parts.items():
            where = (*args, block, name)
            if (section := section_of(name)) not in (None, block):
                raise source.fault(where, f"{name!r} is none of the {block}", f"list it under args.{section}")
            if name not in configs:
                known = [one for one in configs if section_of(one) == block]
                raise source.fault(where, f"unknown name {name!r} in args.{block}", did_you_mean(name, known))
            try:
                configs[name].model_validate(dict(options))
            except ValidationError as error:
                raise first_fault(error, configs[name], source.faults_below(where), f"args.{block}.{name}") from error


def _check_deployments(source: YamlSource, where: KeyPath, value: Any, known: set[str]) -> None:
    left: dict[str, KeyPath] = {}  # of parts that args no longer lists
    for position, deployment in enumerate(_sequence(source, where, value)):
        name = _mapping(source, (*where, position), deployment, DEPLOYMENT_KEYS).get("name")
        if name in known:
            continue
        if section_of(name) is None:
            raise source.fault((*where, position, "name"), f"unknown deployment {name!r}", did_you_mean(name, known))
        left[str(name)] = (*where, position)
    if left:
        names = ", ".join(map(repr, left))
        lines = " and ".join(_lines(*source.lines_of(path)) for path in left.values())
        what = f"args does not list {names}, but deployments still does"
        raise source.fault(next(iter(left.values())), what, f"remove {lines}, or list {names} in args again")


def _lines(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first} to {last}"


def _mapping(source: YamlSource, where: KeyPath, value: Any, known: Collection[str] | None = None) -> dict[str, Any]:
    """known: the keys that it may have; without it any."""
    place = ".".join(map(str, where)) or "the file"
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise source.fault(where, f"{place} is not a block of keys", "write `key: value` lines")
    if known is not None:
        for key in value:
            if key not in known:
                raise source.fault((*where, str(key)), f"unknown key {key!r} in {place}", did_you_mean(key, known))
    return value


def _sequence(source: YamlSource, where: KeyPath, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise source.fault(where, f"{'.'.join(map(str, where))} is not a list", "start each entry with `- `")
    return value
