import hashlib
import http.server
import threading
import time

import pytest

from priorbench.datasets.about import Original
from priorbench.datasets.files import download
from priorbench.datasets.files.download import fetch_original

CONTENT = bytes(range(256)) * 2000
CHECKSUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers by the first part of the path; remembers what was asked for."""

    asked: list = []  # noqa: RUF012  (cleared by the fixture)

    def log_message(self, *_):
        pass

    def do_GET(self):
        kind = self.path.split("/")[1]
        begin = self.headers.get("Range")
        self.asked.append((kind, begin))
        getattr(self, kind)(int(begin[6:-1]) if begin else 0)

    def send(self, content, status=200, stop=None, **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:stop])

    def good(self, start):
        if start >= len(CONTENT):
            return self.send(b"", 416)
        here = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        self.send(
            CONTENT[start:],
            206 if start else 200,
            **({"Content_Range": here} if start else {}),
        )

    def broken(self, start):
        """Breaks off the first time; the rest can be had later."""
        first = sum(kind == "broken" for kind, _ in self.asked) == 1
        self.send(CONTENT, stop=100_000) if first else self.good(start)

    def stubborn(self, start):
        """Breaks off the first time, and knows no ranges."""
        first = sum(kind == "stubborn" for kind, _ in self.asked) == 1
        self.send(CONTENT, stop=100_000 if first else None)

    def always_broken(self, start):
        self.send(CONTENT, stop=100)

    def wrong(self, start):
        self.send(CONTENT[::-1])

    def html(self, start):
        self.send(b"<html>Moved</html>", Content_Type="text/html; charset=utf-8")

    def missing(self, start):
        self.send(b"<html>Not found</html>", 404, Content_Type="text/html")

    def encoded(self, start):
        self.send(CONTENT, Content_Encoding="gzip")

    def slow(self, start):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000])
        time.sleep(1)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Answer.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        thread = threading.Thread(
            target=running.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        yield lambda *kinds: tuple(
            f"http://127.0.0.1:{running.server_port}/{kind}/file.bin" for kind in kinds
        )
        running.shutdown()
        thread.join()


def list_shown(folder):
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize(
    "kinds", [("good",), ("missing", "good"), ("html", "wrong", "good")]
)
def test_the_first_mirror_with_the_file_is_used(server, tmp_path, kinds):
    path = fetch_original(Original("file.bin", server(*kinds), CHECKSUM), tmp_path)
    assert path == tmp_path / "file.bin"
    assert path.read_bytes() == CONTENT
    assert [kind for kind, _ in Answer.asked] == list(kinds)


def test_what_is_here_is_not_downloaded_again(server, tmp_path):
    original = Original("file.bin", server("good"), CHECKSUM)
    assert fetch_original(original, tmp_path) == fetch_original(original, tmp_path)
    assert len(Answer.asked) == 1


def test_a_broken_download_is_resumed(server, tmp_path):
    path = fetch_original(Original("file.bin", server("broken"), CHECKSUM), tmp_path)
    assert path.read_bytes() == CONTENT
    (_, first), (_, second) = Answer.asked
    assert first is None
    assert 0 < int(second[6:-1]) <= 100_000


def test_a_server_without_ranges_begins_again(server, tmp_path):
    path = fetch_original(Original("file.bin", server("stubborn"), CHECKSUM), tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_file_is_kept_as_it_is_stored(server, tmp_path):
    path = fetch_original(Original("file.bin", server("encoded"), CHECKSUM), tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_thrown_away(server, tmp_path):
    original = Original("file.bin", server("good"), CHECKSUM)
    fetch_original(original, tmp_path).unlink()
    url = original.urls[0]
    part = f".file.bin-{download.zlib.crc32(url.encode()):08x}.part"
    (tmp_path / part).write_bytes(CONTENT + b"more")
    assert fetch_original(original, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("wrong", r"hash.*expected " + CHECKSUM[:20]),
        ("html", "HTML page came"),
        ("missing", "404"),
        ("always_broken", r"file\.bin: .*(Incomplete|broken)"),
        ("slow", "timed out"),
    ],
)
def test_what_went_wrong_is_named_and_nothing_is_left(server, tmp_path, kind, message):
    with pytest.raises(
        OSError, match=rf"'file.bin' could not be downloaded.*{message}"
    ) as caught:
        fetch_original(Original("file.bin", server(kind), CHECKSUM), tmp_path)
    assert "get it elsewhere and put it into the folder" in str(caught.value)
    assert list_shown(tmp_path) == []
    assert len(Answer.asked) == download.ROUNDS


def test_a_file_without_addresses_is_asked_for(tmp_path):
    with pytest.raises(OSError, match=r"no address.*get it elsewhere"):
        fetch_original(Original("file.bin"), tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="set PRIORBENCH_DATA"):
        fetch_original(
            Original("file.bin", ("http://127.0.0.1:1/x",)), tmp_path / "file"
        )
