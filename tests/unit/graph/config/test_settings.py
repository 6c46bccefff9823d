"""Settings: strict, and every fault names the file, the line and the nearest known key."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from deployments.annotators.registry import annotator_configs
from deployments.extractors.registry import extractor_configs
from graph.config.api_keys import hash_of
from graph.config.serve_file import (
    APPLICATION_KEYS,
    DEPLOYMENT_KEYS,
    HTTP_KEYS,
    TOP_KEYS,
    ServeConfig,
    load_config_file,
)
from graph.config.settings import AppSettings, Limits, app_settings, check_bind
from storage.errors import Misconfigured

GOOD = """\
http_options: {host: 127.0.0.1, port: 8123}
applications:
  - name: lookalike
    route_prefix: /
    import_path: graph.app:build
    args:
      data_dir: ./data
      shards: 3
      extractors:
        phash: {}
        color:
      limits: {max_results: 500}
    deployments:
      - {name: router, max_ongoing_requests: 32}
      - {name: phash, ray_actor_options: {num_cpus: 0.5}}
"""


class PhashConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    mirrored: bool = True


class ColorConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")


PARTS: dict[str, type[BaseModel]] = {"phash": PhashConfig, "color": ColorConfig}


def load(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> ServeConfig:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return load_config_file(path, environment or {}, part_configs=PARTS)


def fault(tmp_path: Path, text: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(tmp_path, text)
    return str(caught.value).removeprefix(f"{tmp_path}/")


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    assert (config.host, config.port) == ("127.0.0.1", 8123)
    assert config.app.shards == 3
    assert config.app.extractors == {"phash": {}, "color": {}}
    assert config.app.limits.max_results == 500
    assert config.app.limits.max_body_bytes == 52_428_800


def test_the_data_folder_becomes_absolute_in_the_document_that_serve_gets(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    assert config.app.data_dir.is_absolute()
    assert config.document["applications"][0]["args"]["data_dir"] == str(Path("data").absolute())


def test_the_command_line_overrides_folder_host_and_port(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD).with_overrides(data_dir=tmp_path, host="::1", port=9)
    assert config.app.data_dir == tmp_path
    assert config.document["http_options"] == {"host": "::1", "port": 9}
    assert config.document["applications"][0]["args"]["data_dir"] == str(tmp_path)
    assert config.document["applications"][0]["args"]["shards"] == 3


def test_a_file_without_http_options_listens_on_loopback(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD.replace("http_options: {host: 127.0.0.1, port: 8123}\n", ""))
    assert config.document["http_options"] == {"host": "127.0.0.1", "port": 8000}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("shards: 3", "shardz: 3", "x.yaml:8: unknown key 'shardz' in args (did you mean 'shards'?)"),
        (
            "max_results: 500",
            "max_result: 5",
            "x.yaml:12: unknown key 'max_result' in args.limits (did you mean 'max_results'?)",
        ),
        ("phash: {}", "phsh: {}", "x.yaml:10: unknown name 'phsh' in args.extractors (did you mean 'phash'?)"),
        ("phash: {}", "tags: {}", "x.yaml:10: 'tags' is none of the extractors (list it under args.annotators)"),
        (
            "phash: {}",
            "phash: {mirored: no}",
            "x.yaml:10: unknown key 'mirored' in args.extractors.phash (did you mean 'mirrored'?)",
        ),
        ("name: router", "name: ruter", "x.yaml:14: unknown deployment 'ruter' (did you mean 'router'?)"),
        ("max_ongoing_requests", "max_ongoing", "x.yaml:14: unknown key 'max_ongoing' in applications.0.deployments.0"),
        ("port: 8123", "prt: 1", "x.yaml:1: unknown key 'prt' in http_options (did you mean 'port'?)"),
        ("port: 8123", "port: 99999", "x.yaml:1: http_options.port is 99999"),
        (
            "applications:",
            "aplications:",
            "x.yaml:2: unknown key 'aplications' in the file (did you mean 'applications'?)",
        ),
        ("graph.app:build", "other:app", "applications have the import_path graph.app:build"),
        ("shards: 3", "shards: 0", "x.yaml:8: args.shards: Input should be greater than or equal to 1, not 0"),
        ("shards: 3", "shards: many", "x.yaml:8: args.shards"),
        ("shards: 3", "shards: 3\n      shards: 4", "x.yaml:8: the key 'shards' is given again on line 9"),
        ("shards: 3", "shards: [3", "not valid YAML"),
        ("      extractors:\n", "      extractors: 7\n      # ", "args.extractors"),
        ("    deployments:", "    deployments: 5\n    # ", "is not a list"),
    ],
)
def test_a_fault_names_the_line_and_the_nearest_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = GOOD.replace(old, new, 1)
    if "#" in new:
        text = text[: text.index("#")] + "\n"
    assert message in fault(tmp_path, text)


LEFT_DEPLOYMENTS = """\
      - name: local
        num_replicas: 2
        ray_actor_options:
          num_cpus: 0.5
      - {name: tags}
"""


def test_deployments_of_parts_that_args_no_longer_lists_are_named_with_their_lines(tmp_path: Path) -> None:
    said = fault(tmp_path, GOOD.rstrip("\n") + "\n" + LEFT_DEPLOYMENTS)
    first = GOOD.rstrip("\n").count("\n") + 2
    assert said == (
        f"x.yaml:{first}: args does not list 'local', 'tags', but deployments still does "
        f"(remove lines {first} to {first + 3} and line {first + 4}, or list 'local', 'tags' in args again)"
    )


def test_a_weight_of_a_part_that_is_not_listed_does_not_suggest_another_one(tmp_path: Path) -> None:
    said = fault(tmp_path, GOOD.replace("shards: 3", "weights: {local: 2}", 1))
    assert said.endswith(
        "which args.extractors does not list (list it under args.extractors, or take it out of args.weights)"
    )


@pytest.mark.parametrize("keys", ["a-good-key-1,short", "a-good-key-1,schlüssel-zum-haus"])
def test_a_wrong_key_of_the_environment_is_blamed_on_the_environment(tmp_path: Path, keys: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(GOOD)
    with pytest.raises(Misconfigured, match=r"^LOOKALIKE_API_KEYS: key 2 of 2: ") as caught:
        load_config_file(path, {"LOOKALIKE_API_KEYS": keys})
    assert keys.split(",")[1] not in "".join(traceback.format_exception(caught.value))


def test_a_yaml_syntax_error_names_its_line(tmp_path: Path) -> None:
    assert fault(tmp_path, "a: 1\nb: [1\nc: 2\n").startswith("x.yaml:3: not valid YAML")


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"none\.yaml: cannot be read: No such file"):
        load_config_file(tmp_path / "none.yaml", {})


def test_a_file_that_is_not_a_mapping_or_is_empty_is_refused(tmp_path: Path) -> None:
    assert "is not a block of keys" in fault(tmp_path, "- 1\n")
    assert "0 applications" in fault(tmp_path, "")


def test_another_application_may_stand_beside_ours(tmp_path: Path) -> None:
    other = "  - {name: other, route_prefix: /other, import_path: other:app, args: {anything: 1}}\n"
    assert load(tmp_path, GOOD + other).application == 0


def test_keys_of_the_environment_are_added_but_stay_out_of_the_document(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD, {"LOOKALIKE_API_KEYS": "secret-one, secret-two,"})
    assert [key.hash for key in config.app.api_keys] == [hash_of("secret-one"), hash_of("secret-two")]
    assert "secret" not in str(config.app)
    assert "secret" not in str(config.document)


def test_a_bad_key_is_not_repeated_in_the_error() -> None:
    with pytest.raises(Misconfigured) as caught:
        app_settings({"api_keys": ["too hort"]}, {})
    assert "too hort" not in str(caught.value)


def test_raw_arguments_are_checked_without_a_file() -> None:
    assert app_settings({}, {}) == AppSettings()
    assert app_settings({"shards": 5}, {}).shards == 5
    with pytest.raises(Misconfigured, match="unknown key 'shard' in args"):
        app_settings({"shard": 5}, {})


def test_weights_of_a_feature_that_is_not_configured_are_refused() -> None:
    with pytest.raises(Misconfigured, match="did you mean 'phash'"):
        app_settings({"weights": {"phsh": 1}}, {})


def test_shards_take_their_labels_in_turn() -> None:
    settings = app_settings({"shards": 3, "shard_labels": [{"disk": "a"}, {"disk": "b"}]}, {})
    assert [settings.label_selector(shard) for shard in range(3)] == [{"disk": "a"}, {"disk": "b"}, {"disk": "a"}]
    assert AppSettings().label_selector(0) == {}


def test_every_setting_is_described() -> None:
    for field in Limits.model_fields.values():
        assert field.description


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]"])
def test_loopback_needs_no_key(host: str) -> None:
    check_bind(host, has_keys=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "photos.example"])
def test_any_other_address_needs_a_key(host: str) -> None:
    check_bind(host, has_keys=True)
    with pytest.raises(Misconfigured, match=r"without an API key \(set LOOKALIKE_API_KEYS"):
        check_bind(host, has_keys=False)


def test_the_known_keys_are_those_of_the_installed_ray_serve() -> None:
    schema = pytest.importorskip("ray.serve.schema")
    assert set(schema.ServeDeploySchema.model_fields) == TOP_KEYS
    assert set(schema.HTTPOptionsSchema.model_fields) == HTTP_KEYS
    assert set(schema.ServeApplicationSchema.model_fields) == APPLICATION_KEYS
    assert set(schema.DeploymentSchema.model_fields) == DEPLOYMENT_KEYS


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[4] / "configs").glob("*.yaml")), ids=lambda path: path.name
)
def test_the_configurations_that_ship_are_valid(path: Path) -> None:
    config = load_config_file(path, {}, part_configs={**extractor_configs(), **annotator_configs()})
    check_bind(config.host, has_keys=config.app.has_keys)


def test_every_limit_can_be_set_in_the_file(tmp_path: Path) -> None:
    for name, field in Limits.model_fields.items():
        text = GOOD.replace("max_results: 500", f"{name}: {field.default}")
        assert getattr(load(tmp_path, text).app.limits, name) == field.default
