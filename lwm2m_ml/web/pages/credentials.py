"""Credentials of devices and tokens of people, for administrators. Secrets are shown once."""

from nicegui import html, ui

from lwm2m_ml.client.schemas import Token
from lwm2m_ml.client.schemas.credentials import Credential, CredentialRequest
from lwm2m_ml.web.parts.buttons import act_button, asked
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.tabs import tabs
from lwm2m_ml.web.parts.telling import tell
from lwm2m_ml.web.parts.words import moment
from lwm2m_ml.web.visit import Visit, page

REVOKE, ROTATE = "Revoke", "Rotate"
KINDS = {"psk": "Pre-shared key", "oscore": "OSCORE", "x509": "X.509 certificate", "rpk": "Raw public key"}
GRACE_SECONDS = 86_400.0
DAY = 86_400.0
CREDENTIALS = (
    Column("endpoint", "Device"),
    Column("kind", "Kind"),
    Column("identity", "Identity"),
    Column("state", "State"),
    Column("created", "Made", numeric=True),
)
TOKENS = (
    Column("label", "Token"),
    Column("scope", "Scope"),
    Column("created", "Made", numeric=True),
    Column("expires", "Ends", numeric=True),
)


@page("/credentials", "Credentials")
async def credentials_page(visit: Visit) -> None:
    """Build the page."""
    html.h1("Credentials")
    if not visit.may("admin"):
        ui.label("Credentials are for administrators. Log in with an admin token.").classes("note warn")
        return
    tabs((("Devices", lambda: _devices(visit)), ("API tokens", lambda: _tokens(visit))))


async def _devices(visit: Visit) -> None:
    async def press(button: str, key: str) -> None:
        if button == ROTATE:
            issued = await visit.client.rotate_credential(key, GRACE_SECONDS)
            await _show_secret(f"The new credential of {issued.credential.endpoint}", issued.secret)
        elif await asked("The device will be let in with it no more.", REVOKE):
            await visit.client.revoke_credential(key)
            tell("The credential is revoked")
        await refresh()

    with html.section().classes("panel"):
        html.h2("Make one")
        with html.div().classes("row-of"):
            endpoint = ui.input("Endpoint of the device").props("outlined dense").classes("grow")
            kind = ui.select(KINDS, label="Kind", value="psk").props("outlined dense options-dense")
            buttons = html.div()
        certificate = ui.textarea("PEM of the certificate or public key").props("outlined dense").style("width: 100%")
        certificate.bind_visibility_from(kind, "value", backward=lambda value: value in {"x509", "rpk"})
    listing = Listing(CREDENTIALS, empty="No credential was made yet.", name="Credentials", pressed=press, page_size=25)

    async def make() -> None:
        pem = str(certificate.value or "").strip() or None
        request = CredentialRequest(
            endpoint=str(endpoint.value or ""),
            kind=kind.value,
            certificate=pem if kind.value == "x509" else None,
            public_key=pem if kind.value == "rpk" else None,
        )
        issued = await visit.client.add_credential(request)
        await _show_secret(f"The credential of {issued.credential.endpoint}", issued.secret)
        await refresh()

    async def refresh() -> None:
        listing.show([_credential(one) for one in await visit.client.credentials()])

    with buttons:
        act_button("Make", make, icon="add", kind="main")
    await refresh()


async def _tokens(visit: Visit) -> None:
    async def press(button: str, key: str) -> None:
        if await asked("Whoever holds the token will be let in no more.", REVOKE):
            await visit.client.revoke_token(key)
            tell("The token is revoked")
            await refresh()

    with html.section().classes("panel"):
        html.h2("Make one")
        with html.div().classes("row-of"):
            label = ui.input("What it is for").props("outlined dense").classes("grow")
            scope = ui.select(["viewer", "operator", "admin"], label="Scope", value="viewer")
            scope.props("outlined dense options-dense")
            days = ui.number("Days; empty: for good", min=1, precision=0).props("outlined dense")
            buttons = html.div()
    listing = Listing(TOKENS, empty="There are no tokens.", name="API tokens", pressed=press, page_size=25)

    async def make() -> None:
        lasting = float(days.value) * DAY if days.value else None
        issued = await visit.client.issue_token(str(label.value or ""), str(scope.value), expires_in=lasting)
        await _show_secret(f"The token {issued.token.label}", {"token": issued.secret})
        await refresh()

    async def refresh() -> None:
        listing.show([_token(one) for one in await visit.client.tokens()])

    with buttons:
        act_button("Make", make, icon="add", kind="main")
    await refresh()


async def _show_secret(title: str, secret: dict[str, str]) -> None:
    """Show what is never shown again, until somebody says that it was taken down."""
    with ui.dialog(value=True).props("persistent") as dialog, ui.card().classes("panel").style("max-width: 640px"):
        html.h2(title)
        ui.label("Shown this once. Put it into the device, or keep it where secrets are kept.").classes("note warn")
        for name, value in secret.items():
            html.h3(name.replace("_", " "))
            html.pre(value).classes("log break").style("white-space: pre-wrap").props('tabindex="0"')
        ui.button("It is taken down", color=None, on_click=dialog.close).props("unelevated no-caps").classes("act main")
    await dialog
    dialog.delete()


def _credential(one: Credential) -> Row:
    state = "revoked" if one.revoked_at else f"good until {moment(one.expires_at)}" if one.expires_at else "good"
    return Row(
        key=one.id,
        values={
            "endpoint": one.endpoint,
            "kind": KINDS.get(one.kind, one.kind),
            "identity": one.identity,
            "state": state,
            "created": moment(one.created_at),
        },
        kinds={"state": "bad" if one.revoked_at else "good"},
        buttons=() if one.revoked_at else (ROTATE, REVOKE) if one.kind in {"psk", "oscore"} else (REVOKE,),
    )


def _token(one: Token) -> Row:
    return Row(
        key=one.id,
        values={
            "label": f"{one.label} ({one.id})",
            "scope": one.scope,
            "created": moment(one.created_at),
            "expires": moment(one.expires_at) if one.expires_at else "never",
        },
        kinds={"scope": "warn" if one.scope == "admin" else ""},
        buttons=(REVOKE,),
    )
