"""`lwm2m-ml devices read|write|…`: LwM2M operations on a device."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.devices import EndpointArgument
from lwm2m_ml.cli.output import (
    JsonOption,
    print_done,
    print_facts,
    print_json,
    print_json_line,
    print_models,
    print_table,
)
from lwm2m_ml.client.address import DEFAULT_SERVER
from lwm2m_ml.errors import UsageError

if TYPE_CHECKING:
    from lwm2m_ml.client.schemas import ResourceValue

app = typer.Typer()

PathArgument = Annotated[str, typer.Argument(metavar="PATH", help="LwM2M path, such as /3/0 or /3/0/1.")]
PathsArgument = Annotated[list[str], typer.Argument(metavar="PATH...", help="LwM2M paths, such as /3/0 /4/0/2.")]
BehindOption = Annotated[
    str, typer.Option("--behind", metavar="PREFIX", help="The device with this prefix behind the endpoint, a gateway.")
]
LaterOption = Annotated[
    bool, typer.Option("--later", help="Do it when the device is awake; print a number for `lwm2m-ml requests show`.")
]
COLUMNS = ("PATH", "TYPE", "VALUE")


@app.command("read")
def read(
    endpoint: EndpointArgument,
    path: PathArgument,
    later: LaterOption = False,
    behind: BehindOption = "",
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Read an object, object instance, resource or resource instance."""
    with connect(server, token) as client:
        if later:
            _print_queued(client.queue(endpoint, "read", paths=[path]).number, as_json)
            return
        values = client.read(endpoint, path, behind=behind)
    _print_values(values, as_json)


@app.command("write")
def write(
    endpoint: EndpointArgument,
    path: PathArgument,
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="VALUE|ID=VALUE...",
            help="One value for a resource, or values by id below PATH (1=300 10/0=x). Opaque in base64, links as 3:0.",
        ),
    ],
    update: Annotated[bool, typer.Option("--update", help="Leave what is not named as it is.")] = False,
    later: LaterOption = False,
    behind: BehindOption = "",
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write a resource, several resources of an instance, or instances of a multiple resource."""
    level = len([segment for segment in path.split("/") if segment])
    plain = level >= 3 and len(values) == 1 and not _names_an_instance(values[0], level)
    below = {} if plain else {f"{path.rstrip('/')}/{name}": value for name, value in _assignments(values)}
    with connect(server, token, dry_run=dry_run) as client:
        if later:
            named = {path: values[0]} if plain else below
            _print_queued(
                client.queue(endpoint, "write", paths=[path], values=named, replace=not update).number, as_json
            )
            return
        client.write(endpoint, path, values[0] if plain else below, replace=not update, behind=behind)
    print_done(as_json)


@app.command("exec")
def execute(
    endpoint: EndpointArgument,
    path: PathArgument,
    arguments: Annotated[str, typer.Argument(help="Arguments, such as 0='reboot',1.")] = "",
    later: LaterOption = False,
    behind: BehindOption = "",
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Execute a resource."""
    with connect(server, token, dry_run=dry_run) as client:
        if later:
            _print_queued(client.queue(endpoint, "execute", paths=[path], arguments=arguments).number, as_json)
            return
        client.execute(endpoint, path, arguments, behind=behind)
    print_done(as_json)


@app.command("infer")
def infer(
    endpoint: EndpointArgument,
    numbers: Annotated[Path, typer.Argument(metavar="FILE", help="One input: .npy, or a text of numbers.")],
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Have the device infer an input with the model that it runs, beside its sensors."""
    given = _numbers(numbers)
    with connect(server, token, dry_run=dry_run) as client:
        answer = client.infer(endpoint, given)
    if as_json:
        print_json(answer.model_dump())
        return
    print_facts(answer.model_dump(exclude={"scores", "outputs"}))
    print_table(("CLASS", "SCORE"), list(enumerate(answer.scores)))


@app.command("discover")
def discover(
    endpoint: EndpointArgument,
    path: PathArgument,
    depth: Annotated[int | None, typer.Option(help="How many levels; needs a device that speaks 1.2.")] = None,
    behind: BehindOption = "",
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """List what is below a path, with attributes."""
    with connect(server, token) as client:
        links = client.discover(endpoint, path, depth=depth, behind=behind)
    if as_json:
        print_models(links)
        return
    rows = []
    for link in links:
        told = (name if value is None else f"{name}={value}" for name, value in link.attributes.items())
        rows.append((link.path, " ".join(told)))
    print_table(("PATH", "ATTRIBUTES"), rows)


@app.command("create")
def create(
    endpoint: EndpointArgument,
    path: Annotated[str, typer.Argument(metavar="OBJECT", help="Path of an object, such as /9.")],
    values: Annotated[
        list[str] | None, typer.Argument(metavar="ID=VALUE...", help="Values by resource, such as 1=300 10/0=x.")
    ] = None,
    instance: Annotated[int | None, typer.Option(help="Number of the new instance; the device chooses one.")] = None,
    behind: BehindOption = "",
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Create an object instance and print its path."""
    with connect(server, token, dry_run=dry_run) as client:
        made = client.create(endpoint, path, dict(_assignments(values or [])), instance=instance, behind=behind)
    if as_json:
        print_json({"path": made})
    else:
        typer.echo(made)


@app.command("delete")
def delete(
    endpoint: EndpointArgument,
    path: PathArgument,
    behind: BehindOption = "",
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Delete an object instance, or (1.2) a resource instance."""
    with connect(server, token, dry_run=dry_run) as client:
        client.delete(endpoint, path, behind=behind)
    print_done(as_json)


@app.command("attributes")
def attributes(
    endpoint: EndpointArgument,
    path: PathArgument,
    changes: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE|NAME...", help="Set (pmin=10 gt=5.5) or, by name only, clear.")
    ],
    behind: BehindOption = "",
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Set and clear notification attributes: pmin, pmax, gt, lt, st, epmin, epmax, con, edge, hqmax."""
    named = {name: _number(name, value) for name, value in _assignments(one for one in changes if "=" in one)}
    cleared = [one for one in changes if "=" not in one]
    with connect(server, token, dry_run=dry_run) as client:
        client.write_attributes(endpoint, path, named, clear=cleared, behind=behind)
    print_done(as_json)


@app.command("observe")
def observe(
    endpoint: EndpointArgument,
    paths: PathsArgument,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many: the present values, then news.")] = None,
    behind: BehindOption = "",
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print the values of a path, or of several at once, now and whenever the device tells news; Ctrl-C ends it."""
    with connect(server, token) as client:
        for values in itertools.islice(client.observe(endpoint, *paths, behind=behind), count):
            if as_json:
                print_json_line([value.model_dump(mode="json") for value in values])
            else:
                for value in values:
                    typer.echo(f"{value.path}  {value.value}")


@app.command("read-composite")
def read_composite(
    endpoint: EndpointArgument,
    paths: PathsArgument,
    behind: BehindOption = "",
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Read several paths at once, whatever of them is readable."""
    with connect(server, token) as client:
        values = client.read_composite(endpoint, paths, behind=behind)
    _print_values(values, as_json)


@app.command("write-composite")
def write_composite(
    endpoint: EndpointArgument,
    values: Annotated[list[str], typer.Argument(metavar="PATH=VALUE...", help="Such as /1/0/1=300 /3/0/15=UTC.")],
    behind: BehindOption = "",
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write several resources at once, all or nothing."""
    with connect(server, token, dry_run=dry_run) as client:
        client.write_composite(endpoint, dict(_assignments(values)), behind=behind)
    print_done(as_json)


def _print_queued(number: int, as_json: bool) -> None:
    if as_json:
        print_json({"request": number})
    else:
        typer.echo(number)


def _print_values(values: "Sequence[ResourceValue]", as_json: bool) -> None:
    if as_json:
        print_models(values)
    else:
        print_table(COLUMNS, [(value.path, value.type, str(value.value)) for value in values])


def _names_an_instance(text: str, level: int) -> bool:
    """Whether `2=x`, written to a resource, is meant for its instance 2."""
    return level == 3 and "=" in text and text.partition("=")[0].isdecimal()


def _assignments(texts: Iterable[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise UsageError(f"{text!r} is not NAME=VALUE", hint="Write values like 1=300")
        pairs.append((name, value))
    return pairs


def _number(name: str, text: str) -> float:
    try:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError as error:
        raise UsageError(f"{name}={text} is not a number") from error


def _numbers(file: Path) -> list[float]:
    """The numbers in a file, flattened."""
    import numpy

    try:
        if file.suffix == ".npy":
            values = numpy.load(file, allow_pickle=False)
        else:
            values = numpy.array(file.read_text().replace(",", " ").split(), dtype=numpy.float64)
        found: list[float] = values.astype(numpy.float64).ravel().tolist()
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} holds no input ({error})", hint="Name a file of numbers") from None
    return found
