"""Retry-After in every form, and in no form at all."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given, strategies as st

from portkey_local.providers.retry_after import retry_after

NOW = 784111747.0  # Sun, 06 Nov 1994 08:49:07 GMT: half a minute before the dates of RFC 9110


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("1", 1), ("120", 120), ("3600", 3600), (" 5 ", 5), ("1.5", 1.5), ("0.25", 0.25)],
)
def test_seconds(value, seconds):
    """A number is seconds; fractions are taken although the RFC has none."""
    assert retry_after({"retry-after": value}, NOW) == seconds


@pytest.mark.parametrize("value", ["1_0", "1e1", "+1", "-1", "0x1", "inf", "nan", "\u0661"])
def test_what_only_python_takes_for_a_number(value):
    """A number is digits, with a point at most."""
    assert retry_after({"retry-after": value}, NOW) is None


@pytest.mark.parametrize(
    "date",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",  # IMF-fixdate
        "Sunday, 06-Nov-94 08:49:37 GMT",  # RFC 850
        "Sun Nov  6 08:49:37 1994",  # asctime
    ],
)
def test_dates(date):
    """All three date forms of RFC 9110 are read, as GMT."""
    assert retry_after({"retry-after": date}, NOW) == 30.0


def test_the_time_of_day_counts_in_fractions():
    """A date is compared with the exact time of day."""
    assert retry_after({"retry-after": formatdate(NOW + 10, usegmt=True)}, NOW + 0.5) == 9.5


def test_a_date_that_has_passed_asks_for_no_wait():
    """A date in the past is a wait of nothing, not a negative one."""
    assert retry_after({"retry-after": formatdate(NOW - 10, usegmt=True)}, NOW) == 0.0


def test_a_date_with_a_zone_of_its_own():
    """A date with an offset is that moment."""
    assert retry_after({"retry-after": "Sun, 06 Nov 1994 09:49:37 +0100"}, NOW) == 30.0


@pytest.mark.parametrize("name", ["retry-after-ms", "x-ms-retry-after-ms"])
def test_milliseconds(name):
    """The headers in milliseconds are divided by a thousand."""
    assert retry_after({name: "1500"}, NOW) == 1.5
    assert retry_after({name: "0"}, NOW) == 0.0


def test_milliseconds_come_first():
    """The header in milliseconds is the finer one, and wins."""
    assert retry_after({"retry-after": "9", "retry-after-ms": "250"}, NOW) == 0.25
    assert retry_after({"x-ms-retry-after-ms": "7", "retry-after-ms": "250"}, NOW) == 0.25


def test_milliseconds_that_cannot_be_read_leave_the_others():
    """Garbage in one header does not hide another."""
    assert retry_after({"retry-after-ms": "soon", "retry-after": "9"}, NOW) == 9.0
    assert retry_after({"retry-after-ms": "-5", "x-ms-retry-after-ms": "100"}, NOW) == 0.1


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "nan", "inf", "-inf", "12 s", "Sun, 99 Foo 1994", "1e999"]
)
def test_garbage_asks_for_nothing(value):
    """What cannot be read is as good as absent."""
    assert retry_after({"retry-after": value}, NOW) is None


def test_no_header_asks_for_nothing():
    """Without a header there is no wait."""
    assert retry_after({"content-type": "text/html"}, NOW) is None


texts = st.text(max_size=30) | st.from_regex(
    r"(Mon|Sunday), [0-9]{1,5}[- ](Jan|Foo|02)[- ][0-9]{1,6} [0-9]{1,3}:[0-9]{2}:[0-9]{2} ?([+-][0-9]{4,6}|GMT|)",
    fullmatch=True,
)


@given(value=texts, milliseconds=st.none() | st.text(max_size=12), wall=st.floats(0, 4e9))
def test_no_value_raises(value, milliseconds, wall):
    """Whatever a provider sends, the result is None or a wait that is not negative."""
    headers = {"retry-after": value}
    if milliseconds is not None:
        headers["retry-after-ms"] = milliseconds
    wait = retry_after(headers, wall)
    assert wait is None or 0 <= wait < float("inf")


@given(seconds=st.integers(0, 10**8), wall=st.integers(0, 2 * 10**9))
def test_a_date_and_its_seconds_mean_the_same(seconds, wall):
    """A date so many seconds ahead is so many seconds."""
    date = formatdate(wall + seconds, usegmt=True)
    assert retry_after({"retry-after": date}, float(wall)) == float(seconds)
