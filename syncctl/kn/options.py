"""The options that every verb of the plugin has: kn's own, and a way past the cluster."""

from typing import Annotated

import typer

from syncctl.commands.options import parse_url


def _url(text: str) -> str:
    return parse_url(text) if text else ""


Kubeconfig = Annotated[
    str,
    typer.Option(
        "--kubeconfig",
        envvar="KUBECONFIG",
        metavar="FILE",
        show_default="~/.kube/config",
        rich_help_panel="Which deployment",
        help="The kubeconfig.",
    ),
]
Context = Annotated[
    str,
    typer.Option(
        "--context",
        metavar="NAME",
        show_default="the current one",
        rich_help_panel="Which deployment",
        help="The kubeconfig's context.",
    ),
]
Namespace = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAME",
        show_default="the context's, or the only one that has them",
        rich_help_panel="Which deployment",
        help="Namespace of the functions.",
    ),
]
Url = Annotated[
    str,
    typer.Option(
        "--url",
        parser=_url,
        metavar="URL",
        show_default="found in the cluster",
        rich_help_panel="Which deployment",
        help="Address of the deployment; the cluster is not asked then.",
    ),
]
Token = Annotated[
    str,
    typer.Option(
        "--token",
        envvar="SYNCCTL_TOKEN",
        metavar="TOKEN",
        show_default="the Secret's",
        rich_help_panel="Which deployment",
        help="The deployment's token; better in the variable.",
    ),
]
