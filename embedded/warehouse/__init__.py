"""Bulker's HTTP over one DuckDB file: the embedded edition's destination.

    server -> app -> bulk_request -> lines -> spool      a request's body becomes a file of JSON tokens, as it comes
                     bulk_request -> load -> {column_types, names} -> duckdb_file   it becomes rows, in one transaction

Every key of a row is a column. DuckDB does not tell `Age` from `age`, so such twins get a name of their own
(`age_2`); the tables `_tables` and `_columns` of the file say which name and key each table and column stands for.
"""
