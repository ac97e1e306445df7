"""Capability profiles from records."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.service.profiles import CapabilityProfile, ProfileError, profile_from_records
from tests.service.fake_device import capability_records

DEVICE = (
    Record(ObjectPath(3, 0, 0), "ACME"),
    Record(ObjectPath(3, 0, 1), "Board 1"),
    Record(ObjectPath(3, 0, 18), "B"),
)


@pytest.fixture
def records(new_device: Callable[..., Any]) -> list[Record]:
    return list(capability_records(new_device()))


def test_a_profile_holds_what_objects_3_and_42769_say(records: list[Record]) -> None:
    profile = profile_from_records("device", DEVICE, records)
    assert (profile.identity.manufacturer, profile.identity.hardware_version) == ("ACME", "B")
    runtime = profile.runtime
    assert runtime is not None
    assert (runtime.target, runtime.clock_hz, runtime.storage_free) == ("cortex-m4f", 64e6, 100_000)
    assert runtime.instruction_set == ("armv7e-m", "dsp", "fpv4-sp-d16")
    assert runtime.vendor_id == b"v" * 16


def test_a_profile_survives_the_store(records: list[Record]) -> None:
    records.append(Record(ObjectPath(42769, 0, 24, 0), b"\xff" * 32))
    profile = profile_from_records("device", DEVICE, records)
    assert CapabilityProfile.from_json(json.dumps(profile.to_json())) == profile


def test_a_device_without_the_object_has_no_runtime_reported() -> None:
    assert profile_from_records("device", DEVICE, ()).why_no_runtime == "no ML runtime reported"


@pytest.mark.parametrize(
    ("resource", "value", "why"),
    [
        (7, None, "Module storage free (resource 0/7 of ML Device Capabilities) is missing"),
        (7, -1, "is not a plausible number"),
        (7, 1 << 50, "is not a plausible number"),
        (4, True, "is not a plausible number"),
        (3, float("nan"), "is not a plausible number"),
        (2, "x" * 1000, "is not a short text"),
        (25, b"short", "is not an identifier of 16 bytes"),
    ],
)
def test_a_missing_or_absurd_value_is_named(records: list[Record], resource: int, value: Any, why: str) -> None:
    changed = [record for record in records if record.path.resource_id != resource]
    if value is not None:
        changed.append(Record(ObjectPath(42769, 0, resource), value))
    assert why in profile_from_records("device", (), changed).why_no_runtime


def test_one_broken_instance_leaves_the_others_usable(records: list[Record]) -> None:
    broken = Record(ObjectPath(42769, 1, 2), "cortex-m7")
    profile = profile_from_records("device", (), [*records, broken])
    assert [runtime.instance for runtime in profile.runtimes] == [0]
    assert len(profile.problems) == 1


def test_a_notified_free_figure_replaces_the_old_one(records: list[Record]) -> None:
    profile = profile_from_records("device", (), records).with_free(0, 7, 5).with_free(0, 5, 6).with_free(0, 8, 7)
    runtime = profile.runtime
    assert runtime is not None
    assert (runtime.storage_free, runtime.working_memory_free, runtime.maximum_module_size) == (5, 6, 100_000)


def test_a_stored_profile_of_another_shape_is_refused() -> None:
    with pytest.raises(ProfileError):
        CapabilityProfile.from_json('{"endpoint": 5}')


@given(
    st.lists(
        st.builds(
            Record,
            st.builds(
                lambda i, r, n: ObjectPath(42769, i, r, n),
                st.integers(0, 2),
                st.integers(0, 40),
                st.none() | st.integers(0, 5),
            ),
            st.none() | st.text(max_size=9) | st.integers() | st.floats() | st.booleans() | st.binary(max_size=20),
        )
    )
)
def test_no_records_whatever_break_the_service(records: list[Record]) -> None:
    profile = profile_from_records("device", records, records)
    assert len(profile.runtimes) + len(profile.problems) <= 3
