"""A one-node Kubernetes and Knative cluster of plain processes, for tests (tools/cluster/README.md).

__main__ -> {up, down, images} -> {daemons, network, knative} -> control_plane -> identities -> {builds, archives}
-> {processes, settings}
"""
