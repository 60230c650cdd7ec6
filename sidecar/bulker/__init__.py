"""Send rows to a Bulker HTTP instance: one request per stream at a time, its head and schema, its row bytes."""
