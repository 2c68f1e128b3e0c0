"""The table of addresses, checked from outside with addresses that were chosen one by one."""

import pytest

from orkesta.outbound.addresses import forbidden_class

DENIED = {
    "loopback": ["127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    "unique local": ["fc00::1", "fd12:3456:789a::1", "fdff:ffff::1"],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.254"],
    "link-local": [
        "169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.0.23", "169.254.42.42",
        "169.254.1.1", "fe80::1", "fe80::a9fe:a9fe", "febf::1",
    ],
    "metadata": [
        "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::253",
        "fd20:ce::254", "fd00:42::42", "fd00:a9fe:a9fe::254",
    ],
    "this network": ["0.0.0.0", "0.1.2.3"],
    "IETF assignments": ["192.0.0.1", "192.0.0.8", "192.0.0.170"],
    "documentation": ["192.0.2.1", "198.51.100.7", "203.0.113.9"],
    "anycast sinks": ["192.31.196.1", "192.52.193.1", "192.175.48.1"],
    "6to4 relay": ["192.88.99.1"],
    "benchmarking": ["198.18.0.1", "198.19.255.255"],
    "multicast": ["224.0.0.1", "233.252.0.1", "239.255.255.250", "ff02::1", "ff05::2"],
    "reserved": ["240.0.0.1", "255.255.255.255"],
    "IPv6 protocol assignments": [
        "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:3::1", "2001:10::1", "2001:20::1",
        "2001:30::1",
    ],
    "IPv6 documentation": ["2001:db8::1", "3fff::1"],
    "6to4": ["2002:a9fe:a9fe::", "2002:7f00:1::1"],
    "AS112": ["2620:4f:8000::1"],
    "6bone": ["3ffe::1"],
    "not global unicast": [
        "::", "::127.0.0.1", "::169.254.169.254", "100::1", "64:ff9b:1::a9fe:a9fe", "5f00::1",
        "fec0::1", "4000::1", "c000::1", "::ffff:0:127.0.0.1",
    ],
    "ISATAP": ["2a00:1450::5efe:10.0.0.1", "2a00:1450::200:5efe:127.0.0.1"],
    "zoned": ["fe80::1%eth0", "2606:4700::1%1"],
}  # fmt: skip
SEEN_THROUGH = {
    "::ffff:127.0.0.1": "loopback",
    "::ffff:7f00:1": "loopback",
    "::ffff:10.0.0.1": "private",
    "::ffff:169.254.169.254": "link-local",
    "::ffff:168.63.129.16": "metadata",
    "::ffff:0.0.0.0": "this network",
    "64:ff9b::a9fe:a9fe": "link-local",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::192.168.0.1": "private",
}
ALLOWED = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1",
    "126.255.255.255", "128.0.0.1", "168.63.129.15", "169.253.1.1", "172.15.255.255",
    "172.32.0.1", "192.0.1.1", "192.167.255.255", "198.17.0.1", "223.255.255.255",
    "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001::200e", "2400:cb00::1",
    "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip
ALL_DENIED = [(text, name) for name, texts in DENIED.items() for text in texts]
OPENABLE = {"loopback", "private", "unique local", "carrier-grade NAT"}


@pytest.mark.parametrize(("text", "name"), ALL_DENIED + list(SEEN_THROUGH.items()))
def test_it_denies_the_address_and_names_its_class(text: str, name: str) -> None:
    assert forbidden_class(text, allow_private=False) == name


@pytest.mark.parametrize("text", ALLOWED)
def test_it_allows_public_addresses_up_to_the_edges(text: str) -> None:
    assert forbidden_class(text, allow_private=False) is None


@pytest.mark.parametrize(("text", "name"), ALL_DENIED + list(SEEN_THROUGH.items()))
def test_an_operator_opens_private_classes_and_no_others(text: str, name: str) -> None:
    expected = None if name in OPENABLE else name
    assert forbidden_class(text, allow_private=True) == expected


def test_the_lists_are_as_long_as_they_claim() -> None:
    assert len(set(ALL_DENIED)) + len(SEEN_THROUGH) >= 60
    assert len(set(ALLOWED)) >= 15


@pytest.mark.parametrize("text", ["", "localhost", "2130706433", "0177.0.0.1", "127.1", "::g"])
def test_it_takes_ordinary_notation_only(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        forbidden_class(text, allow_private=True)
