"""The program under the name `kn-sync`: a plugin of Knative's `kn`, which finds the deployment in the cluster."""
