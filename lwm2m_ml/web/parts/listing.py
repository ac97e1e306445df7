"""Tables: on a narrow screen each row becomes a card. Cells may be links or words for states, rows may have buttons."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from lwm2m_ml.web.parts.telling import told

_CELL = """
<a v-if="{row}._links && {row}._links[{col}.name]" :href="{row}._links[{col}.name]">{{{{ {value} }}}}</a>
<span v-else-if="{row}._kinds && {row}._kinds[{col}.name] !== undefined && {value} !== ''"
      :class="'tag ' + {row}._kinds[{col}.name]">{{{{ {value} }}}}</span>
<span v-else-if="{col}.name === '_buttons'" style="display: flex; gap: 6px; flex-wrap: wrap; justify-content: flex-end">
  <q-btn v-for="name in {row}._buttons" :key="name" :label="name" unelevated no-caps class="act tight"
         :aria-label="name + ' ' + {row}._name" @click="() => $parent.$emit('act', {{name, key: {row}._key}})" /></span>
<span v-else>{{{{ {value} }}}}</span>
"""
BODY = f'<q-td :props="props">{_CELL.format(row="props.row", col="props.col", value="props.value")}</q-td>'
ITEM = (
    '<div class="q-table__grid-item col-12"><div class="q-table__grid-item-card">'
    '<div v-for="col in props.cols" v-show="![\'\', \'–\'].includes(col.value)" :key="col.name"'
    ' class="q-table__grid-item-row">'
    '<div class="q-table__grid-item-title">{{ col.label }}</div><div class="q-table__grid-item-value">'
    f"{_CELL.format(row='props.row', col='col', value='col.value')}</div></div></div></div>"
)
BUTTONS = "_buttons"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in the rows, its heading, and whether it holds numbers."""

    name: str
    label: str
    numeric: bool = False

    def to_quasar(self) -> dict[str, Any]:
        """The column as QTable takes it."""
        align = "right" if self.numeric else "left"
        return {"name": self.name, "label": self.label, "field": self.name, "align": align}


@dataclass(frozen=True, slots=True)
class Row:
    """A row: values by column, where some lead to, what kind of state some are, and the words of its buttons."""

    key: str
    values: Mapping[str, str]
    links: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    buttons: Sequence[str] = ()

    def to_quasar(self) -> dict[str, Any]:
        """The row as QTable takes it."""
        return {
            **self.values,
            "_key": self.key,
            "_name": next(iter(self.values.values()), self.key),
            "_links": dict(self.links),
            "_kinds": dict(self.kinds),
            BUTTONS: list(self.buttons),
        }


class Listing:
    """A table whose rows may be replaced; `pressed(button, key)` hears of buttons."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str,
        name: str,
        pressed: Callable[[str, str], Awaitable[None]] | None = None,
        page_size: int = 0,
    ) -> None:
        """`empty` stands where there are no rows; `name` tells what the table is of."""
        shown = [column.to_quasar() for column in columns]
        if pressed is not None:
            shown.append(Column(BUTTONS, "", numeric=True).to_quasar() | {"field": "_key"})
        self._table = ui.table(columns=shown, rows=[], row_key="_key", pagination=page_size or None)
        self._table.props(f'flat wrap-cells aria-label="{name}"')
        self._table.add_slot("no-data", f'<span class="muted">{empty}</span>')
        self._table.props(':grid="Quasar.Screen.width < 760"')
        self._table.add_slot("body-cell", BODY)
        self._table.add_slot("item", ITEM)
        if pressed is not None:
            handler = told(pressed)

            async def heard(event: GenericEventArguments) -> None:
                await handler(str(event.args["name"]), str(event.args["key"]))

            self._table.on("act", heard)

    def show(self, rows: Sequence[Row]) -> None:
        """Replace the rows."""
        self._table.rows = [row.to_quasar() for row in rows]
