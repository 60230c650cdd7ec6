"""Bulker's HTTP over one DuckDB file: the embedded edition's destination.

    server -> app -> warehouse -> lines -> spool                     a body becomes a file of JSON tokens, as it comes
                     warehouse -> load -> {column_types, registry}   the file becomes rows, in one transaction
                     warehouse -> load_parts -> load, unfinished     wide ones, in several, and taken back by the next
                                                                     start if there was no last one

Every key of a row is a column. DuckDB's names ignore case, so the second of `Age` and `age` becomes `age_2`; the tables
`_tables` and `_columns` of the file hold the names and keys of all tables and columns.
"""
