"""What the doctor makes of its findings: whether a provider can be used, and what --fix sees to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labgrader.doctor_findings import Finding, State, to_mend, verdict

FINDINGS = st.lists(
    st.builds(
        Finding,
        st.sampled_from(State),
        st.just("a thing"),
        st.just("as it is"),
        packages=st.sampled_from([(), ("package",)]),
        way=st.sampled_from([None, "VirtualBox", "libvirt"]),
    )
)


def finding(state: State, way: str | None = None, packages: tuple[str, ...] = ()) -> Finding:
    return Finding(state, "a thing", "as it is", packages=packages, way=way)


def test_one_way_that_lacks_nothing_is_enough() -> None:
    found = verdict(
        "vagrant", [finding(State.OK), finding(State.LACKS, "VirtualBox"), finding(State.NOTE, "libvirt")]
    )
    assert found.usable
    assert found.line == "The provider vagrant can be used on this machine with libvirt, not with VirtualBox."


def test_what_all_ways_need_is_not_made_up_for_by_one() -> None:
    found = verdict(
        "vagrant", [finding(State.LACKS), finding(State.OK, "VirtualBox"), finding(State.OK, "libvirt")]
    )
    assert not found.usable
    assert found.line == "The provider vagrant cannot be used on this machine."


def test_a_provider_without_ways_names_none() -> None:
    assert verdict("netns", [finding(State.OK)]).line == "The provider netns can be used on this machine."


@given(FINDINGS)
def test_a_provider_is_usable_just_if_nothing_of_all_ways_and_of_one_way_lacks(found: list[Finding]) -> None:
    ways = {item.way for item in found} - {None}
    lacking = {item.way for item in found if item.state is State.LACKS}
    expected = None not in lacking and (not ways or bool(ways - lacking))
    assert verdict("vagrant", found).usable == expected


@given(FINDINGS)
def test_nothing_is_mended_for_a_way_while_another_is_good(found: list[Finding]) -> None:
    good = set(verdict("vagrant", found).ways)
    if good:
        assert {item.way for item in to_mend(found)} <= good | {None}


@given(FINDINGS)
def test_mending_all_that_is_to_be_mended_makes_a_way_good_or_none_could_be(found: list[Finding]) -> None:
    todo = to_mend(found)
    after = [item for item in found if item.state is not State.LACKS or item not in todo or not item.mendable]
    ways = {item.way for item in found} - {None}
    can = [
        way
        for way in ways
        if all(item.mendable for item in found if item.way == way and item.state is State.LACKS)
    ]
    left = {item.way for item in after if item.state is State.LACKS}
    assert (not can) or any(way not in left for way in can)


def test_a_way_that_packages_can_mend_is_preferred_to_one_that_they_cannot() -> None:
    found = [
        finding(State.LACKS, "VirtualBox"),
        finding(State.LACKS, "libvirt", ("libvirt-daemon-system",)),
        finding(State.LACKS, None, ("vagrant",)),
    ]
    assert [item.way for item in to_mend(found)] == ["libvirt", None]
