"""Pods as local processes: the seven verbs of `common.cluster.Cluster` without Kubernetes.

`cluster.LocalCluster` (in the serving process) keeps one folder and one `runner` process per pod, "the
kubelet of that pod". The runner forks one `supervisor` per container, which owns everything that container
starts. Each of the three notices when the one above it dies, kills what it owns and ends.

Not enforced: CPU limits, users, read-only file systems, network policies. All containers run as the user
who serves; the embedded edition runs connectors that this user chose to trust.
"""
