from __future__ import annotations

from graph.cli.terminal import options


def test_feature_names_are_separated_by_commas() -> None:
    assert options.names(["phash, local,", "color"]) == ["phash", "local", "color"]
    assert options.names(None) is None


def test_numbers_are_given_by_name() -> None:
    assert options.numbers("--weights", ["phash=2, color=0.5", "local=1"]) == {"phash": 2.0, "color": 0.5, "local": 1.0}


def test_parameters_are_json_where_they_can_be() -> None:
    parts = ["phash.orientations=all", "local.min_inliers=8", "local.ratio=0.8", "phash.mirror=true"]
    assert options.parameters(parts) == {
        "phash": {"orientations": "all", "mirror": True},
        "local": {"min_inliers": 8, "ratio": 0.8},
    }
    assert options.parameters([]) is None
