"""A one-node Kubernetes and Knative cluster of plain processes, for tests (README.md beside this package).

__main__ -> {up, down, images} -> {daemons, network, knative} -> control_plane -> identities -> {builds, archives}
-> {processes, settings}
"""
