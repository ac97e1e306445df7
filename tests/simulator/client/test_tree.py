import pytest
from aiocoap import Code

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml_simulator.client.tree import ObjectTree
from lwm2m_ml_simulator.objects.base import Arguments, ObjectInstance, OperationRefused, executable, readable, writable
from lwm2m_ml_simulator.objects.security import Security


class Thermometer(ObjectInstance):
    object_id = 3303
    version = "1.1"

    def __init__(self, instance_id: int = 0) -> None:
        super().__init__(instance_id)
        self.application = ""
        self.resets: list[Arguments] = []
        self.names: dict[int, str] = {}

    @readable(5700)
    def sensor_value(self) -> float:
        return 21.5

    @readable(5601)
    def minimum(self) -> float | None:
        return None

    @readable(5750)
    def read_application(self) -> str:
        return self.application

    @writable(5750)
    def write_application(self, value: str) -> None:
        self.application = value

    @executable(5605)
    def reset(self, arguments: Arguments) -> None:
        self.resets.append(arguments)

    @readable(6000)
    def read_names(self) -> dict[int, str]:
        return {0: "a", 7: "b"}

    @writable(6000)
    async def write_names(self, value: dict[int, str]) -> None:
        self.names = value


def path(text: str) -> ObjectPath:
    return ObjectPath.parse(text)


@pytest.fixture
def thermometer() -> Thermometer:
    return Thermometer()


@pytest.fixture
def tree(thermometer: Thermometer) -> ObjectTree:
    return ObjectTree([thermometer, Security(0)])


def refused(code: Code) -> "pytest.RaisesContext[OperationRefused]":  # type: ignore[name-defined]
    return pytest.raises(OperationRefused, check=lambda refusal: refusal.code is code)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("/3303/0/5700", {"/3303/0/5700": 21.5}),
        ("/3303/0/6000", {"/3303/0/6000/0": "a", "/3303/0/6000/7": "b"}),
        ("/3303/0/6000/7", {"/3303/0/6000/7": "b"}),
        ("/3303", {"/3303/0/5700": 21.5, "/3303/0/5750": "", "/3303/0/6000/0": "a", "/3303/0/6000/7": "b"}),
    ],
)
def test_read_of_each_level(tree: ObjectTree, where: str, expected: dict[str, object]) -> None:
    assert {str(record.path): record.value for record in tree.read(path(where))} == expected


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("/0/0/0", Code.UNAUTHORIZED),
        ("/0", Code.UNAUTHORIZED),
        ("/4", Code.NOT_FOUND),
        ("/3303/1", Code.NOT_FOUND),
        ("/3303/0/9", Code.NOT_FOUND),
        ("/3303/0/5601", Code.NOT_FOUND),
        ("/3303/0/6000/3", Code.NOT_FOUND),
        ("/3303/0/5605", Code.METHOD_NOT_ALLOWED),
        ("/", Code.METHOD_NOT_ALLOWED),
    ],
)
def test_read_of_what_cannot_be_read(tree: ObjectTree, where: str, code: Code) -> None:
    with refused(code):
        tree.read(path(where))


async def test_write_reaches_the_writer(tree: ObjectTree, thermometer: Thermometer) -> None:
    await tree.write(path("/3303/0/5750"), [Record(path("/3303/0/5750"), "oven")])
    await tree.write(path("/3303/0/6000"), [Record(path("/3303/0/6000/2"), "c"), Record(path("/3303/0/6000/4"), "d")])
    assert thermometer.application == "oven"
    assert thermometer.names == {2: "c", 4: "d"}


async def test_a_write_with_one_unwritable_resource_writes_nothing(tree: ObjectTree, thermometer: Thermometer) -> None:
    with refused(Code.METHOD_NOT_ALLOWED):
        await tree.write_all([Record(path("/3303/0/5750"), "oven"), Record(path("/3303/0/5700"), 1.0)])
    assert thermometer.application == ""


async def test_a_write_outside_its_path_is_a_bad_request(tree: ObjectTree) -> None:
    with refused(Code.BAD_REQUEST):
        await tree.write(path("/3303/0"), [Record(path("/3303/1/5750"), "oven")])


async def test_execute_hands_over_its_arguments(tree: ObjectTree, thermometer: Thermometer) -> None:
    await tree.execute(path("/3303/0/5605"), {0: "a", 1: None})
    assert thermometer.resets == [{0: "a", 1: None}]
    with refused(Code.METHOD_NOT_ALLOWED):
        await tree.execute(path("/3303/0/5700"), {})


async def test_instances_can_be_created_and_deleted_where_there_is_a_factory(tree: ObjectTree) -> None:
    with refused(Code.METHOD_NOT_ALLOWED):
        await tree.create(3303, [])
    tree.allow_create(3303, Thermometer)
    created = await tree.create(3303, [Record(path("/3303/5/5750"), "cellar")])
    assert created.instance_id == 5
    assert (await tree.create(3303, [])).instance_id == 1
    tree.delete(path("/3303/5"))
    assert [instance.instance_id for instance in tree.instances(3303)] == [0, 1]
    with refused(Code.BAD_REQUEST):
        await tree.create(3303, [Record(path("/3303/0/5750"), "taken")])


async def test_a_create_that_cannot_be_filled_creates_nothing(tree: ObjectTree) -> None:
    tree.allow_create(3303, Thermometer)
    with refused(Code.METHOD_NOT_ALLOWED):
        await tree.create(3303, [Record(path("/3303/5/5700"), 1.0)])
    assert len(tree.instances(3303)) == 1


def test_discover_lists_what_is_there_with_dimensions(tree: ObjectTree) -> None:
    found = {str(where): dimension for where, dimension in tree.discover(path("/3303"))}
    assert found["/3303/0/6000"] == 2
    assert list(found) == [
        "/3303",
        "/3303/0",
        "/3303/0/5605",
        "/3303/0/5700",
        "/3303/0/5750",
        "/3303/0/6000",
    ]


def test_read_composite_returns_what_is_readable(tree: ObjectTree) -> None:
    records = tree.read_readable([path("/3303/0/5700"), path("/0"), path("/9"), path("/3303/0/5700")])
    assert records == (Record(path("/3303/0/5700"), 21.5),)
