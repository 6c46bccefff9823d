from __future__ import annotations

from pathlib import Path

import pytest

from deployments.ocr import tesseract
from deployments.ocr.tesseract import Tesseract, language_files
from storage.errors import ExtractorUnavailable

pytest.importorskip("tesserocr")


def trained(folder: Path, *languages: str) -> Path:
    folder.mkdir(exist_ok=True)
    for language in languages:
        (folder / f"{language}.traineddata").write_bytes(b"")
    return folder


def test_the_data_of_all_languages_come_from_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some, both = trained(tmp_path / "some", "rus"), trained(tmp_path / "both", "rus", "ukr")
    monkeypatch.setattr(tesseract, "FOLDERS", (str(some), str(both)))
    assert language_files(["rus"]) == [some / "rus.traineddata"]
    assert language_files(["rus", "ukr"]) == [both / "rus.traineddata", both / "ukr.traineddata"]
    assert language_files(["rus"], str(both)) == [both / "rus.traineddata"]


def test_missing_data_are_told_with_the_command_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tesseract, "FOLDERS", (str(trained(tmp_path / "some", "rus")), str(tmp_path / "none")))
    with pytest.raises(ExtractorUnavailable, match="chi_sim") as caught:
        language_files(["rus", "chi_sim"])
    assert "apt install tesseract-ocr-chi-sim" in caught.value.hint
    with pytest.raises(ExtractorUnavailable) as caught:
        language_files(["ukr"], str(tmp_path / "some"))
    assert f"copy ukr.traineddata into {tmp_path / 'some'}" in caught.value.hint


def test_damaged_data_make_the_extractor_unavailable(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = trained(tmp_path / "damaged", "rus")
    with pytest.raises(ExtractorUnavailable, match="damaged"):
        Tesseract(language_files(["rus"], str(folder)))
    capfd.readouterr()  # Tesseract itself says so on standard error


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tesseract, "find_spec", lambda name: None)
    with pytest.raises(ExtractorUnavailable, match="tesserocr") as caught:
        language_files(["rus"])
    assert "pip install 'lookalike[ocr]'" in caught.value.hint
