"""The command line's entry: `syncctl`."""

import typer

from syncctl import ask, demo, read, serve, tasks

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Run Airbyte-protocol connectors through sync-functions, and follow what they do.

    Start everything on this machine with `syncctl serve`, see it work with `syncctl demo`, or name a deployment
    with --url (SYNCCTL_URL) and --token (SYNCCTL_TOKEN).

    Exit codes: 0 SUCCESS, 1 FAILED, 2 usage, 3 PARTIAL, 4 CANCELLED, 5 the deployment cannot be reached or
    refused the request, 130 Ctrl-C.
    """,
)

ASK = "Ask a connector"
RUN = "Read, and follow"
HERE = "On this machine"

app.command(rich_help_panel=ASK)(ask.spec)
app.command(rich_help_panel=ASK)(ask.check)
app.command(rich_help_panel=ASK)(ask.discover)
app.command(rich_help_panel=RUN)(read.read)
app.command(rich_help_panel=RUN)(tasks.tasks)
app.command(rich_help_panel=RUN)(tasks.logs)
app.command(rich_help_panel=RUN)(tasks.cancel)
app.command(rich_help_panel=HERE)(serve.serve)
app.command(rich_help_panel=HERE)(demo.demo)
