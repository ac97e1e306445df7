"""`lwm2m-ml campaigns`: bring a model to many devices in phases, watch and steer it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lwm2m_ml.cli.connection import DryRunOption, ServerOption, TokenOption, connect
from lwm2m_ml.cli.output import JsonOption, print_json, print_models, print_table
from lwm2m_ml.cli.plan_file import read_plan
from lwm2m_ml.cli.steering import IdArgument, ReasonOption, Steering, WaitOption
from lwm2m_ml.cli.wanted import FilterOption, GroupOption, ModelArgument, ToOption, wanted
from lwm2m_ml.client.address import DEFAULT_SERVER

if TYPE_CHECKING:
    from lwm2m_ml.client.client import Client
    from lwm2m_ml.client.schemas.campaigns import Campaign, CampaignPreview

app = typer.Typer(
    help="Campaigns: a model for many devices, in phases, taken back if it does harm.", no_args_is_help=True
)


def _command(client: "Client", campaign_id: str, members: dict[str, Any]) -> "Campaign":
    from lwm2m_ml.client.schemas.campaigns import CampaignCommand

    return client.command_campaign(campaign_id, CampaignCommand(**members))


def _print(campaign: "Campaign", as_json: bool) -> None:
    if as_json:
        print_json(campaign.model_dump(mode="json"))
        return
    typer.echo(
        f"Campaign {campaign.id}{f' ({campaign.name})' if campaign.name else ''}: {campaign.model} {campaign.version}"
    )
    typer.echo(f"  for      {campaign.selection}")
    typer.echo(f"  state    {campaign.state}, phase {campaign.phase} of {campaign.phases}")
    typer.echo(f"  devices  {_tally(campaign.tally)}")
    if campaign.diagnosis:
        typer.echo(f"  now      {campaign.diagnosis}")


steering: "Steering[Campaign]" = Steering(
    look=lambda client, campaign_id: client.campaign(campaign_id),
    story=lambda client, campaign_id, after: client.campaign_story(campaign_id, after),
    command=_command,
    show=_print,
)


@app.command("start")
def start(
    model: ModelArgument,
    to: ToOption = "",
    group: GroupOption = "",
    filter: FilterOption = "",
    plan: Annotated[Path | None, typer.Option("--plan", help="TOML file with the plan; see docs/campaigns.md.")] = None,
    phases: Annotated[str, typer.Option("--phases", help="Sizes of phases, such as 1%,10%,100%.")] = "",
    soak: Annotated[float | None, typer.Option(help="Seconds to watch each phase before the next.")] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Ask for an approval before every further phase.")] = False,
    name: Annotated[str, typer.Option("--name", help="A name for people.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    wait: WaitOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Start a campaign; without --to, --group and --filter it is for every registered device."""
    from lwm2m_ml.client.schemas.campaigns import CampaignRequest

    request = CampaignRequest(
        **wanted(model, to, group, filter), plan=_plan(plan, phases, soak, approve=approve), name=name
    )
    with connect(server, token) as client:
        if dry_run:
            _print_preview(client.preview_campaign(request), as_json)
        else:
            steering.begun(client, client.start_campaign(request), wait=wait, as_json=as_json)


@app.command("list")
def list_campaigns(server: ServerOption = DEFAULT_SERVER, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the campaigns, oldest first."""
    with connect(server, token) as client:
        found = client.campaigns()
    if as_json:
        print_models(found)
        return
    rows = [
        (one.id, one.name, f"{one.model} {one.version}", one.state, f"{one.phase}/{one.phases}", _tally(one.tally))
        for one in found
    ]
    print_table(("ID", "NAME", "MODEL", "STATE", "PHASE", "DEVICES"), rows)


steering.add_show(app, "Show where a campaign stands and what it waits for.")


@app.command("devices")
def devices(
    campaign_id: IdArgument,
    state: Annotated[str, typer.Option("--state", help="Only devices in this state, such as refused.")] = "",
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show where each device of a campaign stands, what it waits for or how it ended."""
    with connect(server, token) as client:
        found = client.campaign_devices(campaign_id, state or None)
    if as_json:
        print_models(found)
        return
    rows = [
        (
            one.endpoint,
            one.phase,
            one.target,
            one.state,
            one.variant,
            one.expected,
            one.reported,
            one.ota_bytes,
            one.diagnosis,
        )
        for one in found
    ]
    columns = ("DEVICE", "PHASE", "TARGET", "STATE", "VARIANT", "EXPECTED", "REPORTED", "OTA B", "DIAGNOSIS")
    print_table(columns, rows)


steering.add_story(app, "Tell what happened to a campaign, line by line: when, who, what.")
steering.add_command(app, "approve", "Let the next phase open.")
steering.add_command(app, "pause", "Begin no further device until `resume`; devices under way go on.")
steering.add_command(app, "resume", "Go on after a pause; failures up to now count no more.")


@app.command("cancel")
def cancel(
    campaign_id: IdArgument,
    hard: Annotated[bool, typer.Option("--hard", help="Stop and roll back devices that are under way too.")] = False,
    reason: ReasonOption = "",
    dry_run: DryRunOption = False,
    server: ServerOption = DEFAULT_SERVER,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a campaign: no further device begins, and those under way go on to their end, unless --hard."""
    with connect(server, token, dry_run=dry_run) as client:
        members = {"command": "cancel", "hard": hard, "reason": reason}
        _print(_command(client, campaign_id, members), as_json)


steering.add_command(app, "roll-back", "Take the model back from every device of a running campaign.")


def _plan(file: Path | None, phases: str, soak: float | None, *, approve: bool) -> dict[str, Any]:
    """The plan in a file, with what the options say in its place."""
    plan = read_plan(file)
    if phases:
        plan["phases"] = [{"size": size.strip()} for size in phases.split(",")]
    if soak is not None or approve:
        listed = plan.setdefault("phases", [{"size": size} for size in ("1%", "10%", "100%")])
        for number, phase in enumerate(listed):
            phase.update({} if soak is None else {"soak": soak})
            phase.update({"approval": True} if approve and number else {})
    return plan


def _print_preview(preview: "CampaignPreview", as_json: bool) -> None:
    if as_json:
        print_json(preview.model_dump(mode="json"))
        return
    rows = [
        (one.endpoint, one.phase, one.target, one.state, one.variant, one.package_bytes, one.reason)
        for one in preview.devices
    ]
    print_table(("DEVICE", "PHASE", "TARGET", "STATE", "VARIANT", "PACKAGE B", "REASON"), rows)
    typer.echo(
        f"{preview.model} {preview.version} for {preview.selection}: {_tally(preview.tally)};"
        f" {preview.package_bytes:,} B over the air, {preview.compilations} compilations. Nothing was changed."
    )


def _tally(tally: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {state}" for state, number in tally.items()) or "none"
