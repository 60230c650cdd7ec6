"""A one-node Kubernetes and Knative cluster of plain processes, for tests (README.md beside this package).

__main__ -> {up, down, images} -> {daemons, identities, network, knative} -> {builds, archives} -> {processes, settings}
"""
