"""`syncctl mcp`: a deployment as tools of the Model Context Protocol, for assistants."""
