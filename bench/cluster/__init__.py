"""Reads, cold starts and images on the cluster that KUBECONFIG names: `python -m bench.cluster --help`."""

from bench.cluster.run import run

__all__ = ["run"]
