"""`override_params` on form bodies: fields change, files pass byte for byte."""

from __future__ import annotations

import email.parser
import email.policy
from typing import Any

import httpx
import pytest
from hypothesis import given, strategies as st

from portkey_local.providers.multipart import override_form

SOUND = b"RIFF\r\n--not the boundary\r\n\x00\xff\r\n\r\nend"


def form(fields: dict[str, Any], files: Any = None) -> tuple[bytes, str]:
    """Return a form as httpx writes it, and its content type."""
    request = httpx.Request(
        "POST", "http://x", data=fields, files=files or {"file": ("a.wav", SOUND, "audio/wav")}
    )
    return request.read(), request.headers["content-type"]


def parts(content: bytes, content_type: str) -> list[tuple[str, bytes]]:
    """Return the parts of a form, as the standard library reads them."""
    head = b"content-type: " + content_type.encode() + b"\r\n\r\n"
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + content)
    assert not message.defects
    return [
        (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
        for part in message.iter_parts()
    ]


def overridden(
    fields: dict[str, Any], override: dict[str, Any], files: Any = None
) -> dict[str, list[bytes]]:
    """Return the fields of a form after an override, in lists."""
    content, content_type = form(fields, files)
    found: dict[str, list[bytes]] = {}
    for name, value in parts(override_form(content, content_type, override), content_type):
        found.setdefault(name, []).append(value)
    return found


def test_a_field_is_replaced():
    """The form's own model gives way to the target's."""
    found = overridden({"model": "whisper-1", "language": "en"}, {"model": "whisper-large"})
    assert found == {"model": [b"whisper-large"], "language": [b"en"], "file": [SOUND]}


def test_a_field_is_added():
    """A field that the form does not have is added."""
    found = overridden({"model": "m"}, {"temperature": 0.5})
    assert found["temperature"] == [b"0.5"]
    assert found["model"] == [b"m"]


def test_none_removes_a_field():
    """None takes a field out."""
    assert "language" not in overridden({"model": "m", "language": "en"}, {"language": None})


def test_lists_become_repeated_fields():
    """A list is written as the SDK writes it: name[] once for each item; the old ones go."""
    found = overridden(
        {"timestamp_granularities[]": ["word", "segment"]}, {"timestamp_granularities": ["word"]}
    )
    assert found["timestamp_granularities[]"] == [b"word"]


@pytest.mark.parametrize(
    ("value", "text"), [(True, b"true"), (False, b"false"), (3, b"3"), ("ü", "ü".encode())]
)
def test_values_are_written_as_the_sdk_writes_them(value, text):
    """Booleans are in lower case, everything else is its text in UTF-8."""
    assert overridden({"model": "m"}, {"x": value})["x"] == [text]


def test_files_pass_byte_for_byte():
    """A file keeps its bytes, its name and its type, also next to others."""
    files = [
        ("image[]", ("a.png", b"\x89PNG\r\n", "image/png")),
        ("image[]", ("b.png", b"2", "image/png")),
    ]
    content, content_type = form({"model": "m"}, files)
    changed = override_form(content, content_type, {"model": "n"})
    for piece in (
        b'filename="a.png"',
        b'filename="b.png"',
        b"Content-Type: image/png",
        b"\x89PNG\r\n",
    ):
        assert changed.count(piece) == content.count(piece)


def test_other_bodies_come_back_as_they_are():
    """A body that is no form, or a form without a boundary, is not touched."""
    for content_type in (
        "application/octet-stream",
        "multipart/form-data",
        "",
        "multipart/mixed; boundary=x",
    ):
        assert override_form(b"--x\r\n", content_type, {"model": "m"}) == b"--x\r\n"


def test_a_quoted_boundary_is_read():
    """The boundary may be in quotes, and other parameters may follow."""
    content, content_type = form({"model": "m"})
    boundary = content_type.split("boundary=")[1]
    quoted = f'Multipart/Form-Data; boundary="{boundary}"; charset=utf-8'
    assert b"m2" in override_form(content, quoted, {"model": "m2"})


def test_a_file_of_that_name_is_kept():
    """Only fields are replaced: a file part passes although an override has its name."""
    found = overridden({"model": "m"}, {"file": "x"})
    assert SOUND in found["file"]


@given(value=st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=20))
def test_an_override_never_breaks_the_form(value):
    """Whatever text an override holds, the form has the same parts."""
    content, content_type = form({"language": "en"})
    changed = override_form(content, content_type, {"prompt": value})
    names = [name for name, _ in parts(changed, content_type)]
    assert sorted(names) == ["file", "language", "prompt"]


@given(binary=st.binary(max_size=200))
def test_any_file_is_untouched(binary):
    """No bytes of a file are changed by an override of a field."""
    found = overridden({"model": "m"}, {"model": "n"}, {"file": ("a", binary, "audio/wav")})
    assert found == {"model": [b"n"], "file": [binary]}
