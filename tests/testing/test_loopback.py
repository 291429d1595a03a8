"""The scripted provider does on the wire what its steps say, and notices who leaves."""

import doctest
import http.client
import importlib
import json
import socket
import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from portkey_local import testing
from portkey_local.testing import Fault, Loopback, Received, Step, chat, chat_stream, error, html

BODY = b'{"model": "m", "messages": []}'
STREAM_BODY = b'{"model": "m", "messages": [], "stream": true}'
WORDS = ["a ", "b ", "c ", "d "]
PATIENCE = 0.15  # how long a test listens before it believes that nothing more will come
SOON = 3.0  # seconds, on a busy machine; what must not be waited for lasts longer


@pytest.fixture
def server():
    with Loopback() as server:
        yield server


def new_client(**options):
    return httpx.Client(verify=False, trust_env=False, **options)  # certificates take 0.2 s to load


class OneConnectionPerRequest:
    """Like the module `httpx`, without its certificates."""

    def __getattr__(self, method):
        def send(*args, **kwargs):
            with new_client() as client:
                return getattr(client, method)(*args, **kwargs)

        return send

    @contextmanager
    def stream(self, *args, **kwargs):
        with new_client() as client, client.stream(*args, **kwargs) as response:
            yield response


ask = OneConnectionPerRequest()


@contextmanager
def connected(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=2) as client:
        yield client


def request_bytes(body=BODY, target="t"):
    head = f"POST /{target}/v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def listen(client, patience=2):
    """Read what comes and tell how it ended: closed, reset or still open."""
    data = b""
    client.settimeout(patience)
    try:
        while piece := client.recv(65536):
            data += piece
    except TimeoutError:
        return data, "open"
    except ConnectionResetError:
        return data, "reset"
    return data, "closed"


def exchange(server, step, body=STREAM_BODY, patience=2):
    server.reset({"t": [step]})
    with connected(server) as client:
        client.sendall(request_bytes(body))
        return listen(client, patience)


def split(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


def words_of(text):
    events = [line[6:] for line in text.splitlines() if line.startswith("data: {")]
    choices = [json.loads(event)["choices"] for event in events]
    return [found[0]["delta"]["content"] for found in choices if found and found[0]["delta"]]


def content_of(response):
    return response.json()["choices"][0]["message"]["content"]


# ---------------------------------------------------------------------------- steps and shorthands


def test_public_names():
    assert testing.__all__ == sorted(testing.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)


@pytest.mark.parametrize("name", ["steps", "received", "loopback"])
def test_docstring_examples_run(name):
    module = importlib.import_module(f"portkey_local.testing.{name}")
    assert doctest.testmod(module).failed == 0


def test_a_step_has_one_body():
    with pytest.raises(ValueError, match="one body"):
        Step(json={}, body=b"")


def test_a_body_that_cannot_be_serialised_fails_where_it_is_written():
    with pytest.raises(TypeError):
        Step(json=object())


def test_json_null_is_a_body(server):
    server.reset({"t": [Step(json=None)]})
    assert ask.get(server.target("t")).text == "null"


def test_chat(server):
    server.reset({"t": [chat("hi there", model="gpt")]})
    response = ask.post(server.target("t"), json={})
    assert content_of(response) == "hi there"
    assert response.json()["model"] == "gpt"
    assert response.json()["usage"]["completion_tokens"] == 2
    assert response.headers["content-type"] == "application/json"


def test_chat_stream(server):
    server.reset({"t": [chat_stream(WORDS, usage=True)]})
    response = ask.post(server.target("t"), json={})
    assert response.headers["content-type"] == "text/event-stream"
    assert words_of(response.text) == WORDS
    assert '"finish_reason":"stop"' in response.text
    assert '"choices":[],"usage":' in response.text
    assert response.text.endswith("data: [DONE]\n\n")


def test_chat_stream_can_leave_its_end_out(server):
    server.reset({"t": [chat_stream(WORDS, finish=False, done=False)]})
    text = ask.post(server.target("t"), json={}).text
    assert words_of(text) == WORDS
    assert '"stop"' not in text
    assert "[DONE]" not in text


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (429, "rate_limit_error"), (529, "server_error")],
)
def test_error(server, status, kind):
    server.reset({"t": [error(status, "no", headers={"retry-after": "7"})]})
    response = ask.post(server.target("t"), json={})
    assert response.status_code == status
    assert response.json()["error"] == {"message": "no", "type": kind, "param": None, "code": None}
    assert response.headers["retry-after"] == "7"


def test_html(server):
    server.reset({"t": [html(502), html(content_type="text/plain")]})
    response = ask.post(server.target("t"))
    assert response.status_code == 502
    assert response.headers["content-type"].startswith("text/html")
    assert response.text.startswith("<!doctype html>")
    assert ask.post(server.target("t")).headers["content-type"] == "text/plain"


def test_headers_of_a_step_replace_ours_in_any_case(server):
    server.reset({"t": [Step(body=b"x", headers={"Content-Type": "text/x", "X-Own": "1"})]})
    response = ask.get(server.target("t"))
    assert response.headers.get_list("content-type") == ["text/x"]
    assert response.headers["x-own"] == "1"


def test_events_as_bytes_are_sent_as_they_are(server):
    server.reset({"t": [Step(events=["a", b"event: x\ndata: b\n\n", b": note\n\n", b""])]})
    response = ask.get(server.target("t"))
    assert response.text == "data: a\n\nevent: x\ndata: b\n\n: note\n\n"


# ----------------------------------------------------------------------------------- scripts


def test_without_a_script_targets_answer_with_their_names(server):
    with new_client() as client:
        assert content_of(client.post(server.target("one"), json={})) == "from one"
        streamed = client.post(server.target("two"), json={"stream": True})
    assert "".join(words_of(streamed.text)) == "from two"


def test_steps_in_turn_the_last_repeats_each_target_counts_for_itself():
    with Loopback({"a": [error(500), chat("then")], "b": [chat("b")]}) as server:
        url = server.target("a")
        assert ask.post(url).status_code == 500
        assert content_of(ask.post(server.target("b"))) == "b"
        assert [content_of(ask.post(url)) for _ in range(2)] == ["then", "then"]
        assert content_of(ask.post(server.target("unknown"))) == "from unknown"


def test_a_step_without_a_body_fits_the_request(server):
    server.reset({"t": [Step(), Step(headers={"x-a": "1"}), Step(status=503), Step(status=202)]})
    with new_client(base_url=server.target("t")) as client:
        assert content_of(client.post("/", json={})) == "from t"
        streamed = client.post("/", json={"stream": True})
        assert streamed.headers["x-a"] == "1"
        assert words_of(streamed.text)
        assert client.post("/", json={"stream": True}).json()["error"]["message"] == "boom"
        assert client.post("/").content == b""


def test_a_function_is_given_the_request(server):
    server.reset(lambda received: chat(f"{received.target} {received.json['n']}"))
    assert content_of(ask.post(server.target("x"), json={"n": 3})) == "x 3"


def test_a_script_that_raises_is_a_500_and_is_raised_at_the_end():
    def script(received):
        raise AssertionError("not what was expected")

    responses = []
    with pytest.raises(AssertionError, match="not what was expected"), Loopback(script) as server:
        responses.append(ask.post(server.target("x")))
    assert responses[0].status_code == 500
    assert "not what was expected" in responses[0].json()["error"]["message"]


def test_a_script_that_gives_no_step_is_told_so():
    with pytest.raises(TypeError, match="gives a Step"), Loopback(lambda _: None) as server:
        assert ask.post(server.target("x")).status_code == 500


def test_reset_forgets_counts_and_requests(server):
    script = {"t": [error(500), chat()]}
    server.reset(script)
    assert [ask.post(server.target("t")).status_code for _ in range(2)] == [500, 200]
    server.reset(script)
    assert server.received == []
    assert ask.post(server.target("t")).status_code == 500


# ---------------------------------------------------------------------------------- requests


def test_received(server):
    before = time.monotonic()
    ask.put(f"{server.target('t')}/v1/x?a=1&b=2", content=b"{}", headers={"X-Key": "k"})
    (received,) = server.received
    assert (received.target, received.method) == ("t", "PUT")
    assert (received.path, received.query) == ("/v1/x", "a=1&b=2")
    assert received.headers["x-key"] == "k"
    assert (received.body, received.json) == (b"{}", {})
    assert before <= received.at <= time.monotonic()


def test_a_body_that_is_not_json_is_none():
    assert Received("t", "POST", "/", "", {}, b"\xff{", 0.0).json is None


def test_chunked_request_body(server):
    with new_client() as client:
        for pieces in ([b'{"stream"', b": true}"], [b"{", b"}"]):
            client.post(server.target("t"), content=iter(pieces))
    assert [received.json for received in server.received] == [{"stream": True}, {}]


def test_chunked_request_with_extensions_and_trailers_byte_by_byte(server):
    head = b"POST /t HTTP/1.1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    body = b"2;x=y\r\n{}\r\nA\r\n          \r\n0\r\nx-trailer: 1\r\n\r\n"
    with connected(server) as client:
        for byte in head + body:
            client.send(bytes([byte]))
        assert listen(client)[1] == "closed"
    assert server.received[0].json == {}


def test_expect_continue(server):
    with connected(server) as client:
        client.sendall(b"POST /t HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "junk",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
    ],
)
def test_what_is_not_a_request_gets_a_400(server, junk):
    with connected(server) as client:
        client.sendall(junk)
        data, end = listen(client)
    assert data.startswith(b"HTTP/1.1 400 ")
    assert end == "closed"
    assert server.received == []


# --------------------------------------------------------------------------- well-behaved wire


def test_keep_alive_reuses_one_connection(server):
    client = http.client.HTTPConnection(server.url.removeprefix("http://"))
    ports = set()
    for body in (BODY, STREAM_BODY, BODY):
        client.request("POST", "/t", body)
        ports.add(client.sock.getsockname())
        client.getresponse().read()
    assert len(ports) == 1
    assert len(server.received) == 3
    assert server.open_connections == 1
    client.close()
    assert server.wait_closed()


def test_pipelined_requests_are_answered_in_order(server):
    server.reset({"t": [Step(json=number, delay=0.02) for number in range(3)]})
    with connected(server) as client:
        client.sendall(request_bytes() * 3)
        data, end = listen(client, PATIENCE)
    assert [part[:1] for part in data.split(b"\r\n\r\n")[1:]] == [b"0", b"1", b"2"]
    assert end == "open"


@pytest.mark.parametrize("who", ["client", "server"])
def test_connection_close_is_honoured(server, who):
    server.reset({"t": [Step(json=1, headers={"Connection": "close"} if who == "server" else {})]})
    line = b"connection: close\r\n" if who == "client" else b""
    with connected(server) as client:
        client.sendall(b"GET /t HTTP/1.1\r\n" + line + b"\r\n")
        assert listen(client)[1] == "closed"


def test_delay_and_event_gap(server):
    server.reset({"t": [chat_stream(WORDS[:2], delay=0.05, event_gap=0.02)]})
    started = time.monotonic()
    with ask.stream("POST", server.target("t")) as response:
        assert time.monotonic() - started >= 0.05
        assert len([line for line in response.iter_lines() if line]) == 4
    assert time.monotonic() - started >= 0.05 + 3 * 0.02


def test_many_clients_at_once(server):
    def work(name):
        with new_client() as client:
            answers[name] = [content_of(client.post(server.target(name))) for _ in range(5)]

    answers = {}
    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {f"t{number}": [f"from t{number}"] * 5 for number in range(8)}
    assert len(server.received) == 40


# -------------------------------------------------------------------------------------- faults


def test_every_fault_has_a_behaviour(server):
    answers = importlib.import_module("portkey_local.testing.answers")
    assert set(answers.MISBEHAVIOURS) == set(Fault)


def test_reset(server):
    assert exchange(server, Step(fault=Fault.RESET)) == (b"", "reset")


def test_no_response(server):
    assert exchange(server, Step(fault=Fault.NO_RESPONSE)) == (b"", "closed")


def test_silence(server):
    assert exchange(server, Step(fault=Fault.SILENCE), patience=PATIENCE) == (b"", "open")
    assert server.wait_closed()


@pytest.mark.parametrize(
    ("body", "framing"), [(BODY, "content-length"), (STREAM_BODY, "transfer-encoding: chunked")]
)
def test_headers_then_silence(server, body, framing):
    data, end = exchange(server, Step(fault=Fault.HEADERS_THEN_SILENCE), body, PATIENCE)
    head, rest = split(data)
    assert head.startswith("HTTP/1.1 200 OK")
    assert framing in head
    assert data.endswith(b"\r\n\r\n")
    assert (rest, end) == (b"", "open")


def test_drip_headers(server):
    server.reset({"t": [Step(fault=Fault.DRIP_HEADERS)]})
    with connected(server) as client:
        client.sendall(request_bytes())
        time.sleep(0.12)
        data = client.recv(65536)
    assert 1 <= len(data) <= 8
    assert b"HTTP/1.1 200 OK".startswith(data)
    assert server.wait_closed()


def test_drip_body(server):
    server.reset({"t": [Step(json="abcdef", fault=Fault.DRIP_BODY)]})
    with connected(server) as client:
        client.sendall(request_bytes())
        time.sleep(0.12)
        head, rest = split(client.recv(65536))
    assert int(head.rpartition("content-length: ")[2]) > 100_000
    assert 1 <= len(rest) <= 8
    assert b'"abcdef"'.startswith(rest)
    assert server.wait_closed()


def test_cut_body(server):
    data, end = exchange(server, Step(json="abcdef", fault=Fault.CUT_BODY))
    head, rest = split(data)
    assert "content-length: 8" in head
    assert (rest, end) == (b'"abc', "closed")
    with pytest.raises(httpx.RemoteProtocolError):
        ask.post(server.target("t"))


def test_short_length_leaves_the_surplus_on_the_connection(server):
    step = Step(json="abcdef", fault=Fault.SHORT_LENGTH)
    data, end = exchange(server, step, patience=PATIENCE)
    head, rest = split(data)
    assert "content-length: 4" in head
    assert (rest, end) == (b'"abcdef"', "open")


def test_long_length(server):
    data, end = exchange(server, Step(json="abcdef", fault=Fault.LONG_LENGTH))
    head, rest = split(data)
    assert "content-length: 17" in head
    assert (rest, end) == (b'"abcdef"', "closed")


def test_garbage_status(server):
    data, end = exchange(server, Step(json="abcdef", fault=Fault.GARBAGE_STATUS))
    assert not data.startswith(b"HTTP/")
    assert end == "closed"
    with pytest.raises(httpx.RemoteProtocolError):
        ask.post(server.target("t"))


@pytest.mark.parametrize(
    ("fault", "expected_end"),
    [
        (Fault.CUT_CHUNKED, "closed"),
        (Fault.RESET_STREAM, "reset"),
        (Fault.STALL_STREAM, "open"),
        (Fault.CLEAN_CUT, "open"),
    ],
)
@pytest.mark.parametrize("gap", [0.0, 0.01])
def test_half_of_a_stream(server, fault, expected_end, gap):
    step = Step(events=["1", "2", "3", "4", "5"], fault=fault, event_gap=gap)
    data, end = exchange(server, step, patience=PATIENCE if expected_end == "open" else 2)
    head, rest = split(data)
    assert "transfer-encoding: chunked" in head
    finish = b"0\r\n\r\n" if fault is Fault.CLEAN_CUT else b""
    assert rest == b"9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n" + finish
    assert end == expected_end


@pytest.mark.parametrize("fault", [Fault.CUT_CHUNKED, Fault.STALL_STREAM, Fault.CLEAN_CUT])
def test_half_is_at_least_one_event(server, fault):
    data, _ = exchange(server, Step(events=["only"], fault=fault), patience=0.05)
    assert b"data: only" in data


def test_comments_stream(server):
    step = Step(events=["1", "2"], fault=Fault.COMMENTS_STREAM)
    server.reset({"t": [step]})
    seen = []
    with ask.stream("POST", server.target("t")) as response:
        for line in response.iter_lines():
            if line:
                seen.append(line)
            if len(seen) == 4:
                break
    assert seen == ["data: 1", *[": keep-alive"] * 3]
    assert server.wait_closed()


def test_clean_cut_looks_clean_to_a_client_and_keeps_the_connection(server):
    server.reset({"t": [chat_stream(WORDS, fault=Fault.CLEAN_CUT)]})
    with new_client() as client:
        texts = [client.post(server.target("t")).text for _ in range(2)]
        assert server.open_connections == 1
    assert [words_of(text) for text in texts] == [WORDS[:3]] * 2
    assert "[DONE]" not in texts[0]


def test_malformed_event(server):
    server.reset({"t": [Step(events=["1", "2"], fault=Fault.MALFORMED_EVENT)]})
    first, malformed, last = ask.post(server.target("t")).text.split("\n\n")[:3]
    assert (first, last) == ("data: 1", "data: 2")
    assert malformed.startswith("data: ")
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(malformed.removeprefix("data: "))


def test_stream_faults_without_events_cut_what_the_request_asks_for(server):
    streamed, _ = exchange(server, Step(fault=Fault.CUT_CHUNKED), STREAM_BODY)
    assert b"text/event-stream" in streamed
    assert 1 <= streamed.count(b"data: ") < 6
    plain, end = exchange(server, Step(fault=Fault.CUT_CHUNKED), BODY)
    assert b"application/json" in plain
    assert plain.count(b"chat.completion") == 1
    assert end == "closed"


def test_body_faults_join_the_events_of_a_stream(server):
    data, _ = exchange(server, chat_stream(["a", "b"], fault=Fault.CUT_BODY))
    head, rest = split(data)
    assert "text/event-stream" in head
    assert len(rest) == int(head.rpartition("content-length: ")[2]) // 2


@pytest.mark.parametrize("fault", [Fault.CUT_CHUNKED, Fault.RESET_STREAM, Fault.RESET])
def test_httpx_sees_a_broken_stream(server, fault):
    server.reset({"t": [chat_stream(WORDS, fault=fault)]})
    with pytest.raises(httpx.TransportError):
        ask.post(server.target("t"), json={"stream": True})


def test_a_fault_waits_for_its_delay(server):
    server.reset({"t": [Step(fault=Fault.NO_RESPONSE, delay=0.05)]})
    started = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        ask.post(server.target("t"))
    assert time.monotonic() - started >= 0.05


# ------------------------------------------------------------------------- who is still there

WAITING = [
    Step(fault=Fault.SILENCE),
    Step(fault=Fault.HEADERS_THEN_SILENCE),
    Step(fault=Fault.STALL_STREAM),
    Step(fault=Fault.COMMENTS_STREAM),
    Step(fault=Fault.DRIP_HEADERS),
    Step(fault=Fault.DRIP_BODY),
    Step(delay=60),
    chat_stream(WORDS, event_gap=60),
]


def wait_for_request(server):
    limit = time.monotonic() + 2
    while not server.received:
        assert time.monotonic() < limit
        time.sleep(0.001)


@pytest.mark.parametrize("step", WAITING, ids=lambda step: step.fault or "wait")
def test_a_client_that_leaves_is_noticed_at_once(server, step):
    server.reset({"t": [step]})
    with connected(server) as client:
        client.sendall(request_bytes(STREAM_BODY))
        wait_for_request(server)
        assert server.open_connections == 1
        assert not server.wait_closed(timeout=0.01)
    started = time.monotonic()
    assert server.wait_closed()
    assert time.monotonic() - started < SOON
    assert server.open_connections == 0


@pytest.mark.parametrize("step", WAITING, ids=lambda step: step.fault or "wait")
def test_close_is_quick_whatever_goes_on(step):
    server = Loopback({"t": [step]})
    server.start()
    with connected(server) as client:
        client.sendall(request_bytes(STREAM_BODY))
        wait_for_request(server)
        started = time.monotonic()
        server.close()
        assert time.monotonic() - started < SOON
        assert server.open_connections == 0
        assert listen(client)[1] == "closed"


def test_close_does_not_wait_for_a_reader_that_never_reads():
    with Loopback({"t": [Step(body=b"x" * 50_000_000)]}) as server, connected(server) as client:
        client.sendall(request_bytes())
        wait_for_request(server)
        started = time.monotonic()
        server.close()
        assert time.monotonic() - started < SOON


def test_close_hangs_up_on_idle_connections_and_is_repeatable():
    server = Loopback()
    server.start()
    with new_client() as client:
        client.post(server.target("t"))
        port = httpx.URL(server.url).port
        server.close()
        server.close()
        assert server.open_connections == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_script_may_close_its_server():
    def script(received):
        server.close()
        return chat()

    with Loopback(script) as server, pytest.raises(httpx.TransportError):
        ask.post(server.target("t"))


def test_a_script_that_blocks_does_not_hold_up_close():
    release = threading.Event()

    def script(received):
        release.wait(5)
        return chat()

    with Loopback(script) as server, connected(server) as client:
        client.sendall(request_bytes())
        wait_for_request(server)
        started = time.monotonic()
        server.close()
        assert time.monotonic() - started < SOON
        release.set()
        assert server.wait_closed()


def test_a_server_can_be_started_again():
    server = Loopback({"t": [chat("first"), chat("second")]})
    for expected in ("first", "second"):
        server.start()
        assert content_of(ask.post(server.target("t"))) == expected
        server.close()


def test_misuse_is_told(server):
    with pytest.raises(RuntimeError, match="already running"):
        server.start()
    with pytest.raises(RuntimeError, match="not running"):
        _ = Loopback().url
    Loopback().close()
