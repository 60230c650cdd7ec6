"""Numbers for dashboards and alerts: which there are, what they are now, and the two ways in which they leave."""
