"""What `syncctl doctor` looks at: a deployment in its cluster, or this machine."""
