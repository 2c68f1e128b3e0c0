"""The check of a URL when it is saved: by its text, without asking the network."""

import pytest

from orkesta.outbound import OutboundPolicy, UrlNotAllowed, check_url

STRICT = OutboundPolicy()
OPEN = OutboundPolicy(allow_private=True)

GOOD = [
    "https://example.com", "https://example.com/hook?x=1#y", "http://example.com:80/",
    "https://example.com:443", "HTTPS://EXAMPLE.COM/", "https://sub.domain.example.co.uk/a/b",
    "https://xn--fsq.com/", "https://ñandú.example.com/", "https://8.8.8.8/",
    "https://[2606:4700:4700::1111]/", "https://a_b.example.com/", "https://1password.com/",
    "https://0x7f.example.com/",
]  # fmt: skip
ODD = [
    # numbers that the C library reads as addresses
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/",
    "http://127.1/", "http://127.0.1/", "http://0/", "http://0x0/", "http://017700000001/",
    "http://127.0.0.0x1/", "http://00000177.0.0.1/", "http://127.000.000.001/",
    "http://256.256.256.256/", "http://example.com.1/", "http://0xa9fea9fe/",
    # forms of IPv6
    "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:0:0:1]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/",
    "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[::1", "http://::1/",
    # names that are addresses in disguise, or mean something only here
    "http://127.0.0.1./", "http://localhost/", "http://LOCALHOST/", "http://localhost./",
    "http://a.localhost/", "http://printer.local/", "http://metadata.google.internal/",
    "http://router.home.arpa/", "http://redis/", "http://example.com./",
    # who is the host?
    "http://example.com@127.0.0.1/", "http://user:pass@example.com/", "http://:pw@example.com/",
    "http://example.com\\@127.0.0.1/", "http://127.0.0.1\\.example.com/", "http:///127.0.0.1/",
    "http://", "http:/127.0.0.1/", "http:127.0.0.1", "//127.0.0.1/", "example.com", "",
    # characters that turn into others
    "http://%31%32%37.0.0.1/", "http://127%2e0%2e0%2e1/", "http://exa%6dple.com/",
    "http://１２７.0.0.1/", "http://①②⑦.0.0.1/", "http://127。0。0。1/", "http://ⅼocalhost/",
    "http://exam ple.com/", "http://example.com\t/", "http://exa\nmple.com/", "http://a..b.com/",
    "http://example.com\x00.evil.com/", "http://-a.example.com/", "http://" + "a" * 64 + ".com/",
    # other schemes and ports
    "ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_INFO", "data:,x",
    "javascript:alert(1)", "ws://example.com/", "unix:///run/docker.sock", "dict://example.com:11/",
    "http://example.com:22/", "http://example.com:6379/", "https://example.com:8443/",
    "http://example.com:0/", "http://example.com:-1/", "http://example.com:99999/",
    "http://example.com:80a/", "https://example.com/" + "a" * 2048,
    # plain private addresses
    "http://127.0.0.1/", "http://10.0.0.1/", "http://192.168.0.1/", "http://169.254.169.254/",
]  # fmt: skip


@pytest.mark.parametrize("url", GOOD)
def test_it_accepts_what_a_tenant_would_type(url: str) -> None:
    check_url(url, STRICT)


@pytest.mark.parametrize("url", ODD)
def test_it_refuses_odd_addresses(url: str) -> None:
    with pytest.raises(UrlNotAllowed) as caught:
        check_url(url, STRICT)
    assert (caught.value.code, caught.value.http_status) == ("url_not_allowed", 422)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://localhost/", "http://ollama/", "http://[::1]/", "http://10.1.2.3/"],
)  # fmt: skip
def test_an_operator_may_open_private_addresses(url: str) -> None:
    check_url(url, OPEN)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/", "http://[fd00:ec2::254]/", "http://100.100.100.200/",
        "http://168.63.129.16/", "http://0.0.0.0/", "http://2130706433/", "http://127.1/",
        "http://localhost:11434/", "http://u@127.0.0.1/",
    ],
)  # fmt: skip
def test_metadata_odd_forms_and_ports_stay_shut_to_an_open_policy(url: str) -> None:
    with pytest.raises(UrlNotAllowed):
        check_url(url, OPEN)


def test_an_extra_port_is_open_on_every_host() -> None:
    check_url("https://example.com:8443/", OutboundPolicy(extra_ports=frozenset({8443})))


def test_an_allowed_host_is_private_alone_and_with_its_port_alone() -> None:
    policy = OutboundPolicy(allowed_hosts=frozenset({"localhost:11434", "10.0.0.5", "[::1]:9000"}))
    for url in ["http://localhost:11434/v1", "http://10.0.0.5/", "http://[::1]:9000/"]:
        check_url(url, policy)
    for url in [
        "http://localhost/", "http://localhost:11435/", "http://10.0.0.5:11434/",
        "http://10.0.0.6/", "https://example.com:11434/", "http://[::1]/",
    ]:  # fmt: skip
        with pytest.raises(UrlNotAllowed):
            check_url(url, policy)
