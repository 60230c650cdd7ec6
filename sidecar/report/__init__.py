"""Tell the tables and the container log what happens: log lines, progress, results that outlive an outage."""
