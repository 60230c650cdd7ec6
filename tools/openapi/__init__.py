"""The OpenAPI document, made from the functions' routes and parsers, and from the types that use cases answer with."""
