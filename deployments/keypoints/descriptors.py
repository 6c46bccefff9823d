"""What describes the patch around a keypoint: one contract for the classic descriptor and for networks."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from deployments.keypoints import rootsift
from deployments.keypoints.patches import Patches
from storage.types.features import FloatVectors

ROOTSIFT = "rootsift"


class Descriptor(Protocol):
    """fingerprint: changes with the numbers that it gives. dim: of them, even. patch_side: samples along a side of the
    patches it wants, spacing: sigmas of the keypoint from one to the next. step, lowest: of their 4-bit levels.
    """

    fingerprint: str
    dim: int
    patch_side: int
    spacing: float
    step: float
    lowest: float

    def describe(self, patches: Patches) -> FloatVectors:
        """(N, dim) unit norm, of (N, patch_side, patch_side). The same patch gives the same numbers in any batch."""

    def describe_mirrored(self, patches: Patches, vectors: FloatVectors) -> FloatVectors:
        """The vectors that the mirror images of the patches would have. vectors: of the patches themselves."""


class RootSift:
    """No weights; its mirror image is the same numbers in another order."""

    fingerprint = "rootsift-1"
    dim = rootsift.DIM
    patch_side = rootsift.PATCH_SIDE
    spacing = rootsift.SPACING
    step = 0.018  # one number in a thousand is above 15 steps
    lowest = 0.0

    def describe(self, patches: Patches) -> FloatVectors:
        return rootsift.rootsift(patches)

    def describe_mirrored(self, patches: Patches, vectors: FloatVectors) -> FloatVectors:
        return np.ascontiguousarray(vectors[:, rootsift.mirror_order()])


def load_descriptor(name: str) -> Descriptor:
    """``rootsift``, a network by name, or the path of a file with a network's weights."""
    if name == ROOTSIFT:
        return RootSift()
    from deployments.keypoints.descriptor_networks import load_network

    return load_network(name)


def descriptor_fingerprint(name: str) -> str:
    """Of a descriptor that is not loaded. Raises `Misconfigured` for an unknown one."""
    if name == ROOTSIFT:
        return RootSift.fingerprint
    from deployments.keypoints.descriptor_networks import network_fingerprint

    return network_fingerprint(name)
