"""A low-code connector's manifest within a configuration: Airbyte's CDK runs it from there."""

from typing import Any

INJECTED = "__injected_declarative_manifest"
"""Where the CDK looks for it: airbyte_cdk/cli/source_declarative_manifest/_run.py."""


def split(config: Any) -> tuple[Any, dict[str, Any]]:
    """Return a decoded configuration without its manifest, and the manifest, {} without one."""
    manifest = config.get(INJECTED) if isinstance(config, dict) else None
    if not isinstance(manifest, dict):
        return config, {}
    return {name: value for name, value in config.items() if name != INJECTED}, manifest


def specification(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the specification that a manifest holds, as a connector would answer it; {} without one."""
    spec = manifest.get("spec")
    schema = spec.get("connection_specification") if isinstance(spec, dict) else None
    return {"connectionSpecification": schema} if isinstance(schema, dict) else {}
