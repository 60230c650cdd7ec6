"""What several tests share: databases, a recording Bulker, a rig around the sidecar."""
