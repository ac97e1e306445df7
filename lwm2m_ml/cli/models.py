"""`lwm2m-ml models`: the zoo."""

import typer

from lwm2m_ml.cli.connection import ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_models, print_table
from lwm2m_ml.client.address import DEFAULT_SERVER

app = typer.Typer(help="The model zoo.", no_args_is_help=True)


@app.command("list")
def list_models(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the models and their variants."""
    with connect(server, token) as client:
        models = client.models()
    if as_json:
        print_models(models)
        return
    rows = [
        (model.name, model.version, variant.name, variant.weights, variant.macs, variant.accuracy)
        for model in models
        for variant in model.variants
    ]
    print_table(("MODEL", "VERSION", "VARIANT", "WEIGHTS", "MACS", "ACCURACY %"), rows)
