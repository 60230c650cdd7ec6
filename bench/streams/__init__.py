"""What a read gains if its streams are spread over several processes: docs/explanation/parallel-streams.md."""
