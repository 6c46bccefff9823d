from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from deployments.extractor import Pixels
from deployments.extractors.local import Config, Local
from deployments.keypoints.descriptor_networks import load_network, network_fingerprint
from deployments.keypoints.descriptors import Descriptor, descriptor_fingerprint, load_descriptor
from deployments.keypoints.network_weights import PUBLISHED
from storage.errors import ExtractorUnavailable
from storage.index.descriptor_codes import LEVELS, quantized
from storage.keypoints.alignment import align, match
from storage.keypoints.keypoint_rows import Side, sides, stored_side
from storage.types.features import FeatureRows
from tests.unit.deployments.keypoints.weights import (
    Arrays,
    hardnet,
    hardnet8,
    hardtfeat,
    random_patches,
    saved,
    tfeat,
    torch_and_kornia,
)

pytestmark = pytest.mark.slow

NETWORKS = [tfeat, hardtfeat, hardnet, hardnet8]


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda make: make.__name__)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Descriptor:
    return load_descriptor(str(saved(request.param(), tmp_path_factory.mktemp("weights") / "network.pth")))


@pytest.fixture(scope="module")
def real_extractor(shared_dir: Path) -> Local:
    torch_and_kornia()
    return Local(Config.model_validate({"descriptor": str(shared_dir / "models/HardTFeat.pth")}))


def test_descriptors_have_unit_norm_and_the_promised_shape(network: Descriptor) -> None:
    vectors = network.describe(random_patches(5))
    assert vectors.shape == (5, network.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert network.describe(random_patches(0)).shape == (0, network.dim)


def test_different_patches_have_different_descriptors(network: Descriptor) -> None:
    vectors = network.describe(random_patches(3))
    assert np.linalg.norm(vectors[0] - vectors[1]) > 0.01
    assert np.linalg.norm(vectors[1] - vectors[2]) > 0.01


def test_a_patch_has_the_same_descriptor_in_any_batch_bit_for_bit(network: Descriptor) -> None:
    patches = random_patches(40)
    together = network.describe(patches)
    np.testing.assert_array_equal(network.describe(patches[::-1])[::-1], together)
    for place in (0, 7, 33, 39):
        np.testing.assert_array_equal(network.describe(patches[place : place + 1])[0], together[place])


def test_threads_do_not_disturb_each_other(network: Descriptor) -> None:
    patches = random_patches(40)
    wanted = network.describe(patches)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda place: network.describe(patches[place : place + 10]), (0, 10, 20, 30)):
            assert any(np.array_equal(found, wanted[place : place + 10]) for place in (0, 10, 20, 30))


def test_patches_are_not_changed_and_may_be_read_only(network: Descriptor) -> None:
    patches = random_patches(3)
    before = patches.copy()
    patches.setflags(write=False)
    network.describe(patches)
    np.testing.assert_array_equal(patches, before)


def test_brightness_and_contrast_change_nothing(network: Descriptor) -> None:
    patches = random_patches(4)
    np.testing.assert_allclose(network.describe(patches * 0.5 + 30), network.describe(patches), atol=1e-3)


def test_a_flat_patch_has_a_finite_descriptor(network: Descriptor) -> None:
    assert np.isfinite(network.describe(np.full((1, 32, 32), 77, np.float32))).all()


def test_the_mirror_image_has_the_rows_in_reverse(network: Descriptor) -> None:
    patches = random_patches(4)
    mirrored = network.describe_mirrored(patches, network.describe(patches))
    np.testing.assert_array_equal(mirrored, network.describe(np.ascontiguousarray(patches[:, ::-1, :])))


def test_levels_lie_evenly_around_zero(network: Descriptor) -> None:
    assert network.lowest == pytest.approx(-(LEVELS - 1) / 2 * network.step)
    halves = quantized(np.array([[-1e-4, 1e-4]], np.float32), network.step, network.lowest)
    assert halves.tolist() == [[LEVELS // 2 - 1, LEVELS // 2]]


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("within", ["", "state_dict"])
def test_each_way_to_save_weights_gives_the_same_network(tmp_path: Path, old: bool, within: str) -> None:
    plain = load_network(str(saved(tfeat(), tmp_path / "plain.pth")))
    other = load_network(str(saved(tfeat(), tmp_path / "other.pt", old=old, within=within)))
    np.testing.assert_array_equal(other.describe(random_patches(3)), plain.describe(random_patches(3)))


def test_hardtfeat_is_tfeat_under_other_names(tmp_path: Path) -> None:
    one = load_network(str(saved(tfeat(), tmp_path / "one.pth")))
    other = load_network(str(saved(hardtfeat(), tmp_path / "other.pth")))
    np.testing.assert_array_equal(other.describe(random_patches(3)), one.describe(random_patches(3)))


def test_tfeat_is_what_its_authors_say(tmp_path: Path) -> None:
    torch, weights, patches = torch_and_kornia(), hardtfeat(), random_patches(3)
    layers = {name: torch.from_numpy(array) for name, array in weights.items()}
    x = torch.from_numpy(patches[:, None])
    x = (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True)
    x = torch.conv2d(x, layers["features.0.weight"], layers["features.0.bias"]).tanh()
    x = torch.nn.functional.max_pool2d(x, 2, 2)
    x = torch.conv2d(x, layers["features.3.weight"], layers["features.3.bias"]).tanh()
    x = torch.conv2d(x, layers["classifier.1.weight"], layers["classifier.1.bias"]).tanh().flatten(1)
    wanted = x / x.norm(dim=1, keepdim=True)
    found = load_network(str(saved(weights, tmp_path / "network.pth"))).describe(patches)
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-3)


def test_a_loaded_network_has_the_fingerprint_of_its_file(tmp_path: Path) -> None:
    path = saved(tfeat(), tmp_path / "network.pth")
    first = network_fingerprint(str(path))
    assert load_network(str(path)).fingerprint == first == descriptor_fingerprint(str(path))
    saved(tfeat(seed=100), path)
    second = network_fingerprint(str(path))
    assert second != first
    assert load_network(str(path)).fingerprint == second


@pytest.mark.parametrize(("name", "make"), [("hardnet", hardnet), ("hardnet8", hardnet8)])
def test_published_weights_come_from_the_cache_of_torch(
    name: str, make: Callable[[], Arrays], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_and_kornia()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub/checkpoints"
    cache.mkdir(parents=True)
    saved(make(), cache / PUBLISHED[name][1])
    assert load_network(name).fingerprint == network_fingerprint(name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_missing_published_weights_are_named_with_the_command_that_fetches_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_and_kornia()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ExtractorUnavailable) as caught:
        Local(Config.model_validate({"descriptor": name}))
    assert str(tmp_path / "hub/checkpoints" / PUBLISHED[name][1]) in caught.value.message
    assert f"kornia.feature.{PUBLISHED[name][0]}()" in caught.value.hint
    assert not list(tmp_path.iterdir()), "nothing is fetched"


def test_published_weights_that_are_damaged_are_to_be_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_and_kornia()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub/checkpoints"
    cache.mkdir(parents=True)
    (cache / PUBLISHED["hardnet"][1]).write_bytes(b"half a file")
    with pytest.raises(ExtractorUnavailable, match=r"cut short \(delete it and fetch it again: python -c"):
        load_network("hardnet")


def test_published_files_are_called_as_kornia_calls_them() -> None:
    torch_and_kornia()
    urls = pytest.importorskip("kornia.feature.hardnet").urls
    assert {url.rpartition("/")[2] for url in urls["hardnet8v2"]} == {PUBLISHED["hardnet8"][1]}
    assert {url.rpartition("/")[2] for url in urls["liberty_aug"]} == {PUBLISHED["hardnet"][1]}


@pytest.mark.parametrize("package", ["torch", "kornia"])
def test_a_missing_package_is_named_with_the_extra(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tfeat(), tmp_path / "network.pth")
    for module in (package, f"{package}.feature"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExtractorUnavailable, match=f"need the package '{package}'.*lookalike.learned-descriptors."):
        load_network(str(path))


def test_a_picture_is_described_by_a_network(tmp_path: Path) -> None:
    extractor = Local(
        Config.model_validate({"descriptor": str(saved(tfeat(), tmp_path / "network.pth")), "keypoints": 40})
    )
    picture = (random_patches(1)[0].repeat(6, axis=0).repeat(6, axis=1)).astype(np.uint8)
    (stored,) = extractor.extract([picture])
    assert stored.rows.shape == (40, 64)
    assert network_fingerprint(str(tmp_path / "network.pth")) in extractor.spec.fingerprint


def test_the_real_network_finds_a_photo_blurred_and_turned(real_extractor: Local, shared_dir: Path) -> None:
    assert "network-" in real_extractor.spec.fingerprint
    photo, edited = gray_photo(shared_dir), gray_photo(shared_dir, turned=True, blur=1.5)
    (query,) = real_extractor.query_views([edited], {})
    as_given, _ = sides(query.rows, query.extras)
    assert inliers(as_given, real_extractor.extract([photo])[0]) > 60


def test_the_real_network_finds_a_photo_mirrored(real_extractor: Local, shared_dir: Path) -> None:
    photo = gray_photo(shared_dir)
    (query,) = real_extractor.query_views([np.ascontiguousarray(photo[:, ::-1])], {})
    as_given, mirrored = sides(query.rows, query.extras)
    (stored,) = real_extractor.extract([photo])
    assert inliers(mirrored, stored) > 120
    assert inliers(as_given, stored) < 8


def inliers(asked: Side, stored: FeatureRows) -> int:
    query, found = asked.described(), stored_side(stored).described()
    alignment = align(query, found, match(query, found))
    return alignment.inliers if alignment else 0


def gray_photo(shared_dir: Path, *, turned: bool = False, blur: float = 0.0) -> Pixels:
    picture = Image.open(sorted((shared_dir / "photos/pixabay").rglob("*.jpg"))[3]).convert("L")
    picture.thumbnail((600, 600))
    if turned:
        picture = picture.rotate(25, Image.Resampling.BICUBIC, expand=True)
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(blur)))
