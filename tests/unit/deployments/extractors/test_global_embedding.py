from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import transformers

from benchmarks.meaning_quality import index_of, quality, vectors
from deployments.extractor import NeedsWeights
from deployments.extractors.global_embedding import Config, Global
from deployments.extractors.profile import ExtractorProfile
from storage.errors import ExtractorUnavailable
from storage.index.unit_vectors import unit_rows
from tests.suites.extractor_suite import ExtractorSuite, make_pictures
from tests.unit.deployments.models import tiny_models
from tests.unit.deployments.models.tiny_models import quiet

ROOT = Path(__file__).resolve().parents[4]


def loaded(folder: Path, **settings: Any) -> Global:
    return Global(Config.model_validate({"model": str(folder), "precision": "float", **settings}))


class GlobalSuite(ExtractorSuite):
    tiny: ClassVar[Any]  # writes a checkpoint into a folder
    folder: ClassVar[Path]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.folder = cls.tiny(tmp_path_factory.mktemp("checkpoint"))

    def make_extractor(self) -> Global:
        return loaded(self.folder)


class TestDinov2(GlobalSuite):
    tiny = staticmethod(tiny_models.tiny_dinov2)


class TestBeit(GlobalSuite):
    tiny = staticmethod(tiny_models.tiny_beit)


class TestMobilenet(GlobalSuite):
    tiny = staticmethod(tiny_models.tiny_mobilenet)


class TestClip(GlobalSuite):
    tiny = staticmethod(tiny_models.tiny_clip)


class TestSiglip2(GlobalSuite):
    tiny = staticmethod(tiny_models.tiny_siglip2)


def outputs_of(folder: Path, model_class: str, form: Any, extractor: Global) -> Any:
    with quiet():
        model = getattr(transformers, model_class).from_pretrained(folder, local_files_only=True).eval()
    with torch.inference_mode():
        return model(pixel_values=torch.from_numpy(extractor._encoder.preprocessing.pixels([form])))


@pytest.mark.parametrize(
    ("tiny", "model_class", "vector"),
    [
        (tiny_models.tiny_dinov2, "Dinov2Model", lambda out: out.pooler_output),
        (tiny_models.tiny_dinov3, "DINOv3ViTModel", lambda out: out.pooler_output),
        (tiny_models.tiny_vit, "ViTModel", lambda out: out.pooler_output),
        (tiny_models.tiny_swin, "SwinModel", lambda out: out.pooler_output),
        (tiny_models.tiny_convnext, "ConvNextModel", lambda out: out.pooler_output),
        (tiny_models.tiny_clip, "CLIPVisionModelWithProjection", lambda out: out.image_embeds),
        (tiny_models.tiny_siglip, "SiglipVisionModel", lambda out: out.pooler_output),
    ],
)
def test_the_vector_is_what_the_model_pools(tmp_path: Path, tiny: Any, model_class: str, vector: Any) -> None:
    extractor = loaded(tiny(tmp_path))
    (form,) = make_pictures(extractor, 1)
    wanted = vector(outputs_of(tmp_path, model_class, form, extractor)).numpy()
    np.testing.assert_allclose(extractor.extract([form])[0].rows, unit_rows(wanted), atol=2e-6)


@pytest.mark.parametrize(
    ("tiny", "model_class", "vector"),
    [
        (tiny_models.tiny_vit, "ViTModel", lambda out: out.last_hidden_state[:, 0]),
        (tiny_models.tiny_beit, "BeitModel", lambda out: out.last_hidden_state[:, 1:].mean(1)),
    ],
)
def test_a_pooler_that_was_never_trained_is_not_used(tmp_path: Path, tiny: Any, model_class: str, vector: Any) -> None:
    extractor = loaded(tiny(tmp_path, pooler=False))
    (form,) = make_pictures(extractor, 1)
    wanted = vector(outputs_of(tmp_path, model_class, form, extractor)).numpy()
    np.testing.assert_allclose(extractor.extract([form])[0].rows, unit_rows(wanted), atol=2e-6)


def test_a_classifiers_backbone_serves_too(tmp_path: Path) -> None:
    extractor = loaded(tiny_models.tiny_classifier(tmp_path))
    assert extractor.spec.dim == tiny_models.WIDTH


@pytest.mark.parametrize("tiny", [tiny_models.tiny_clip, tiny_models.tiny_siglip, tiny_models.tiny_siglip2])
def test_of_a_dual_encoder_only_the_image_side_is_kept(tmp_path: Path, tiny: Any) -> None:
    extractor = loaded(tiny(tmp_path))
    names = [name for name, _ in extractor._encoder.tower._module.named_parameters()]  # type: ignore[attr-defined]
    assert names
    assert not [name for name in names if "text" in name]


def test_a_grid_of_patches_is_what_transformers_makes_of_a_square_picture(tmp_path: Path) -> None:
    extractor = loaded(tiny_models.tiny_siglip2(tmp_path))
    (form,) = make_pictures(extractor, 1)
    settings = json.loads((tmp_path / "preprocessor_config.json").read_text())
    processor = transformers.models.siglip2.image_processing_pil_siglip2.Siglip2ImageProcessorPil(
        **{key: settings[key] for key in ("patch_size", "max_num_patches", "image_mean", "image_std", "resample")}
    )
    with quiet(), torch.inference_mode():
        model = transformers.Siglip2VisionModel.from_pretrained(tmp_path, local_files_only=True).eval()
        wanted = model(**processor(images=[form], return_tensors="pt")).pooler_output.numpy()
    np.testing.assert_allclose(extractor.extract([form])[0].rows, unit_rows(wanted), atol=2e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.tiny_vit(tmp_path_factory.mktemp("vit"))


class TestFingerprint:
    def test_is_that_of_the_files_wherever_they_lie(self, folder: Path, tmp_path: Path) -> None:
        elsewhere = shutil.copytree(folder, tmp_path / "other-name")
        here, there = (loaded(path).spec.fingerprint for path in (folder, elsewhere))
        assert here == there
        assert here.startswith("global-1/")
        assert here.endswith("/float32/decode-1")

    def test_changes_with_one_weight(self, folder: Path, tmp_path: Path) -> None:
        other = shutil.copytree(folder, tmp_path / "vit")
        weights = bytearray((other / "model.safetensors").read_bytes())
        weights[-3] ^= 1
        (other / "model.safetensors").write_bytes(weights)
        assert self.fingerprint(other) != self.fingerprint(folder)

    @pytest.mark.parametrize(("key", "value"), [("image_mean", [0.1, 0.2, 0.3]), ("resample", 3)])
    def test_changes_with_how_pictures_are_prepared(
        self, folder: Path, tmp_path: Path, key: str, value: object
    ) -> None:
        other = shutil.copytree(folder, tmp_path / "vit")
        path = other / "preprocessor_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
        assert self.fingerprint(other) != self.fingerprint(folder)

    def test_changes_with_the_numbers_that_are_computed_with(self, folder: Path) -> None:
        narrow = loaded(folder, dtype="bfloat16")
        assert "/bfloat16/" in narrow.spec.fingerprint
        wide, (form,) = loaded(folder), make_pictures(narrow, 1)
        rows = [extractor.extract([form])[0].rows[0] for extractor in (narrow, wide)]
        assert 0 < wide.distance(*rows) < 1e-3

    @staticmethod
    def fingerprint(folder: Path) -> str:
        return loaded(folder).spec.fingerprint


def test_pictures_of_a_size_that_the_model_does_not_take_are_one_error(folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "vit")
    path = other / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "size": 40}))
    with pytest.raises(ExtractorUnavailable, match=r"does not load: ValueError: Input image size \(40\*40\)"):
        loaded(other)


def test_its_mark_changes_with_the_files(tmp_path: Path) -> None:
    folder = tiny_models.tiny_vit(tmp_path)
    config = Config.model_validate({"model": str(folder)})
    assert isinstance(Global, NeedsWeights)
    before = Global.weights_mark(config)
    assert before == Global.weights_mark(config)
    settings = (folder / "preprocessor_config.json").read_text()
    (folder / "preprocessor_config.json").write_text(settings.replace("0.4", "0.45"))
    assert Global.weights_mark(config) != before


def test_what_only_the_model_knows_is_not_said_before() -> None:
    profile = ExtractorProfile("global", {"model": "facebook/dinov2-base"})
    assert (profile.spec, profile.image_input, profile.embeds_text) == (None, None, False)


def test_asking_for_the_files_imports_nothing_heavy(tmp_path: Path) -> None:
    folder = tiny_models.tiny_vit(tmp_path)
    probe = (
        "import sys; from deployments.extractors.global_embedding import Config, Global\n"
        f"mark = Global.weights_mark(Config.model_validate({{'model': {str(folder)!r}}}))\n"
        "print(len(mark), {'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "64 set()"


@pytest.fixture(scope="module")
def groceries(shared_dir: Path) -> list[Path]:
    return sorted((shared_dir / "photos" / "grocery").glob("*/*"))


@pytest.fixture(scope="module")
def real_model(shared_dir: Path) -> Path:
    folder = shared_dir / "models" / "mobilenet-v2-imagenet"
    if not folder.is_dir():
        pytest.skip("no real model in ../shared")
    return folder


@pytest.fixture(scope="module")
def classes(groceries: list[Path]) -> Any:
    return np.array([photo.parent.name for photo in groceries])


@pytest.fixture(scope="module")
def rows(real_model: Path, groceries: list[Path]) -> Any:
    """(200, 1280) as the service computes them."""
    return vectors(loaded(real_model), groceries)


@pytest.mark.slow
def test_it_finds_groceries_as_well_as_the_bare_model_with_the_full_photo(
    real_model: Path, groceries: list[Path], rows: Any, classes: Any
) -> None:
    bare = bare_vectors(real_model, groceries)
    found, wanted = (nearest_is_right(of_model, classes) for of_model in (rows, bare))
    print(f"nearest neighbour right: ours {found:.3f}, bare {wanted:.3f} of {len(groceries)}")
    assert len(groceries) == 200
    assert found >= wanted


@pytest.mark.slow
def test_whitening_or_expanding_the_query_finds_more_of_them(rows: Any, classes: Any) -> None:
    plain = quality(index_of(rows), rows, classes)
    whitened = quality(index_of(rows, None), rows, classes)
    expanded = quality(index_of(rows), rows, classes, neighbours=2)
    for name, figures in (("plain", plain), ("whitened", whitened), ("expanded", expanded)):
        print(f"{name}: nearest right {figures[0]:.3f}, precision@5 {figures[1]:.3f}, mAP {figures[2]:.3f}")
    assert all(ours > base for ours, base in zip(whitened, plain, strict=True))
    assert expanded[0] >= plain[0]
    assert all(ours > base for ours, base in zip(expanded[1:], plain[1:], strict=True))


def bare_vectors(folder: Path, photos: list[Path]) -> Any:
    """(N, D) unit norm, by transformers alone."""
    from PIL import Image

    torch.set_num_threads(1)  # as ours
    with quiet(), torch.inference_mode():
        processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
        model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
        rows = []
        for photo in photos:
            with Image.open(photo) as image:
                inputs = processor(images=image.convert("RGB"), return_tensors="pt")
            rows.append(model(**inputs).pooler_output.flatten(1).numpy())
    return unit_rows(np.concatenate(rows))


def nearest_is_right(rows: Any, classes: Any) -> float:
    near = rows @ rows.T
    np.fill_diagonal(near, -1)
    return float(np.mean(classes[near.argmax(axis=1)] == classes))
