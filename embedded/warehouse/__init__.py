"""Bulker's HTTP over one DuckDB file: the embedded edition's destination.

    server -> app -> bulk_request -> lines -> spool      a request's body becomes a file of JSON tokens, as it comes
                     bulk_request -> load -> {column_types, names} -> duckdb_file   it becomes rows, in one transaction

Every key of a row is a column. DuckDB's names ignore case, so the second of `Age` and `age` becomes `age_2`; the tables
`_tables` and `_columns` of the file hold the names and keys of all tables and columns.
"""
