"""`lwm2m-ml shrink`: smaller variants of a model, measured, and the front of the best of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_ml.cli.compiling import ModelArgument, find_target, read_model_file
from lwm2m_ml.cli.output import JsonOption, console, print_json, print_table
from lwm2m_ml.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from lwm2m_ml.compiler.shrink.plan import ShrinkPlan
    from lwm2m_ml.compiler.shrink.progress import Progress
    from lwm2m_ml.compiler.shrink.variant import Variant


def shrink_model(
    model: ModelArgument,
    data: Annotated[
        Path, typer.Option("--data", metavar="DATA", help="Labelled samples: .npz, .npy, .csv, or a folder of files.")
    ],
    targets: Annotated[str, typer.Option("--targets", help="Names of targets, with commas between.")],
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="DATA", help="Samples to measure with; a quarter of --data if not given."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where to write; MODEL-shrunk if not given.")
    ] = None,
    levels: Annotated[
        str, typer.Option("--levels", help="Shares of the weights that stay, in per cent, with commas between.")
    ] = "50,25,12",
    precisions: Annotated[
        str, typer.Option("--precisions", help="int8, int4, int16x8 and float32, with commas between.")
    ] = "int8,int4",
    optimize: Annotated[str, typer.Option("--optimize", help="What modules are compiled for.")] = "size",
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="How often training goes through the data.")] = 40,
    shift: Annotated[
        int, typer.Option("--shift", min=0, help="Move images by so many pixels at random while training.")
    ] = 0,
    noise: Annotated[
        float, typer.Option("--noise", min=0, max=1, help="Add so much of the samples' spread while training.")
    ] = 0.0,
    clusters: Annotated[
        int, typer.Option("--clusters", min=0, max=128, help="Values that weights of a layer may take; 0: any.")
    ] = 0,
    clusters_of: Annotated[
        Path | None,
        typer.Option("--clusters-of", metavar="MODEL", help="Keep the values of this earlier version: small updates."),
    ] = None,
    train: Annotated[bool, typer.Option("--train/--no-train", help="Train pruned models again (TensorFlow).")] = True,
    as_json: JsonOption = False,
) -> None:
    """Search for smaller variants: pruned, trained again, in fewer bits. Broken off, it goes on where it was."""
    from lwm2m_ml.compiler.compilation import float_graph
    from lwm2m_ml.compiler.datasets import read_dataset
    from lwm2m_ml.compiler.quantize.settings import precision_of
    from lwm2m_ml.compiler.shrink.plan import ShrinkPlan, split
    from lwm2m_ml.compiler.shrink.search import Search, write_results

    content = read_model_file(model)
    plan = ShrinkPlan(
        targets=_names(targets),
        levels=_levels(levels),
        precisions=tuple(map(precision_of, _names(precisions))),
        optimize=optimize,
        epochs=epochs,
        shift=shift,
        noise=noise,
        clusters=clusters,
        trains=train,
    )
    for name in plan.targets:
        find_target(name)
    graph = float_graph(content)
    shape = graph.tensor(graph.inputs[0]).shape
    samples = read_dataset(data, shape)
    teach, measure = (samples, read_dataset(test, shape)) if test is not None else split(samples)
    folder = output or Path(f"{model.stem}-shrunk")
    with _Display(quiet=as_json) as display:
        search = Search(
            model.stem,
            content,
            teach,
            measure,
            plan,
            folder,
            report=display.show,
            find_target=find_target,
            like=b"" if clusters_of is None else read_model_file(clusters_of),
        )
        variants = search.run()
    write_results(variants, folder)
    _write_pictures(variants, plan, search.whole, folder)
    _write_card(variants, plan, model.stem, folder, samples.classes)
    _print(variants, plan, folder, model.stem, as_json=as_json)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _levels(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(level) for level in _names(text)))
    except ValueError:
        raise UsageError(f"The levels {text!r} are no whole numbers", hint="For example --levels 50,25") from None


def _write_pictures(variants: "list[Variant]", plan: "ShrinkPlan", whole: str, folder: Path) -> None:
    from lwm2m_ml.compiler.shrink.plot import draw_front

    try:
        draw_front(variants, plan.targets, whole, folder)
    except MissingExtraError as error:
        typer.echo(f"No picture was drawn. {error}", err=True)


def _write_card(
    variants: "list[Variant]", plan: "ShrinkPlan", name: str, folder: Path, classes: tuple[str, ...]
) -> None:
    from lwm2m_ml.compiler.shrink.card import write_card
    from lwm2m_ml.compiler.shrink.variant import front

    best = dict.fromkeys(variant.name for target in plan.targets for variant in front(variants, target))
    write_card(folder, name, [variant for variant in variants if variant.name in best], classes)


def _print(variants: "list[Variant]", plan: "ShrinkPlan", folder: Path, model_name: str, *, as_json: bool) -> None:
    from lwm2m_ml.compiler.shrink.variant import front

    best = {target: {variant.name for variant in front(variants, target)} for target in plan.targets}
    rows = [_row(variant, target, variant.name in best[target]) for target in plan.targets for variant in variants]
    if as_json:
        print_json({"folder": str(folder), "variants": rows})
        return
    columns = ("TARGET", "VARIANT", "ACC. %", "FLASH B", "RAM B", "INSTR.", "PACKED B", "FRONT")
    prefix = len(model_name) + 1
    print_table(columns, [(row["target"], row["variant"][prefix:], *tuple(row.values())[2:]) for row in rows])
    typer.echo(f"Written to {folder}: card.toml and models of the front, results.json, pareto.png, pareto.svg.")


def _row(variant: "Variant", target: str, on_front: bool) -> dict[str, Any]:
    facts = variant.targets[target]
    return {
        "target": target,
        "variant": variant.name,
        "accuracy_percent": variant.accuracy,
        "flash_bytes": facts.flash_bytes,
        "ram_bytes": facts.ram_bytes,
        "instructions": facts.instructions,
        "packed_bytes": facts.packed_bytes,
        "on_front": on_front,
    }


class _Display:
    """A line on stderr with what is being done and, once it is known, how long the rest may take."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (BarColumn(20), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
        self._bar = Bar(*columns, console=console(stderr=True), disable=quiet)
        self._task = self._bar.add_task("reading", total=None)

    def __enter__(self) -> "_Display":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: "Progress") -> None:
        """What comes next."""
        text = f"{progress.next_step or 'done'}, {_time_left(progress)}"
        self._bar.update(self._task, completed=progress.done, total=progress.total, description=text)


def _time_left(progress: "Progress") -> str:
    if progress.seconds_left is None:
        return "time left not known yet"
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    return f"about {minutes} min {seconds:02} s left" if minutes else f"about {seconds} s left"
