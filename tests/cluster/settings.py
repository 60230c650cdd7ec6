"""Which cluster the tests use: the variables that `python -m tools.cluster env` prints, or one's own."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class ClusterSettings:
    """Where the cluster is, and how images get into it."""

    kubeconfig: str
    knative_url: str
    """The address of Knative's ingress as tests reach it."""
    knative_domain: str
    python_image: str
    """The base of the images that tests build; empty for the Dockerfiles' own."""
    load_command: str
    """On a cluster of one's own: how to load an image, such as `kind load docker-image`; empty on the tool's."""


def load() -> ClusterSettings | None:
    """The settings, or None where no cluster is named."""
    given = os.environ  # noqa: TID251 - the one place of these tests
    if not given.get("KUBECONFIG"):
        return None
    return ClusterSettings(
        kubeconfig=given["KUBECONFIG"],
        knative_url=given.get("KNATIVE_URL", ""),
        knative_domain=given.get("KNATIVE_DOMAIN", "example.com"),
        python_image=given.get("PYTHON_IMAGE", ""),
        load_command=given.get("IMAGE_LOAD_COMMAND", ""),
    )
