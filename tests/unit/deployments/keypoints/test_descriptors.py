"""The descriptor without a network keeps the contract of descriptors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from deployments.keypoints.descriptors import RootSift, descriptor_fingerprint, load_descriptor
from deployments.keypoints.detector import detect
from deployments.keypoints.patches import cut_patches, find_directions
from deployments.keypoints.scale_space import build_scale_space
from storage.index.descriptor_codes import LEVELS, quantized
from tests.unit.deployments.keypoints.scenes import photo

ROOT = Path(__file__).resolve().parents[4]


def test_rootsift_is_loaded_by_its_name_with_the_fingerprint_that_was_foretold() -> None:
    descriptor = load_descriptor("rootsift")
    assert isinstance(descriptor, RootSift)
    assert descriptor.fingerprint == descriptor_fingerprint("rootsift")


def test_rootsift_needs_no_network() -> None:
    probe = (
        "import sys; from deployments.keypoints.descriptors import load_descriptor; load_descriptor('rootsift');"
        "print('torch' in sys.modules, 'deployments.keypoints.descriptor_networks' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_hardly_any_number_of_a_photo_lies_beyond_the_last_level() -> None:
    octaves = build_scale_space(photo(size=(400, 400)))
    found = detect(octaves)
    angles = find_directions(octaves, found)[0][:, 0]
    descriptor = RootSift()
    patches = cut_patches(octaves, found, angles, descriptor.patch_side, descriptor.spacing)
    vectors = descriptor.describe(patches)
    assert vectors.shape == (len(found), descriptor.dim)
    assert (vectors > (LEVELS - 0.5) * descriptor.step).mean() < 0.003
    levels = quantized(vectors, descriptor.step, descriptor.lowest)
    back = levels.astype(np.float32) * np.float32(descriptor.step) + np.float32(descriptor.lowest)
    assert np.linalg.norm(back - vectors, axis=1).mean() < 0.1
    mirrored = descriptor.describe_mirrored(patches, vectors)
    assert mirrored.flags.c_contiguous
    np.testing.assert_array_equal(np.sort(mirrored, axis=1), np.sort(vectors, axis=1))
