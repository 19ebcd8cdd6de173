"""A real docker-registry for tests, open, with passwords or with tokens, and a way to fill it."""

import base64
import gzip
import json
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from backports import zstd
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from bundle_format.digest import Digest, digest_of

USER, PASSWORD, IDENTITY = "ann", "secret words", "an identity token"
_HTPASSWD = "ann:$2b$05$abcdefghijklmnopqrstuuqYWJzDGhfhlP.9mT5jl1vGUfaiH1IM.\n"

Compression = Literal["gzip", "zstd", "none"]
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_COMPRESSIONS = {"gzip": (gzip.compress, "+gzip"), "zstd": (zstd.compress, "+zstd"), "none": (bytes, "")}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def missing() -> str | None:
    """Why no registry can be started here; None if one can."""
    return None if shutil.which("docker-registry") else "not installed: docker-registry (Debian package)"


class PrivateRegistry:
    """A docker-registry of one's own; a context manager. `host` is its address as references begin with it."""

    def __init__(self, auth: Literal["none", "basic", "token"] = "none", address: str = "127.0.0.1") -> None:
        self.auth = auth
        self.folder = Path(tempfile.mkdtemp(prefix="floto-registry-"))
        self.host = f"{address}:{_free_port()}"
        self.url = f"http://{self.host}"
        self._tokens = TokenServer(self.folder) if auth == "token" else None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "PrivateRegistry":
        config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": self.host},
        }
        if self.auth == "basic":
            (self.folder / "htpasswd").write_text(_HTPASSWD, encoding="ascii")
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(self.folder / "htpasswd")}}
        elif self._tokens:
            config["auth"] = {"token": self._tokens.config}
            self._tokens.start()
        place = self.folder / "config.yml"
        place.write_text(json.dumps(config), encoding="utf-8")
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(["docker-registry", "serve", place], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text(encoding="utf-8"))
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> None:
        """End the registry; its folder stays until the context ends."""
        if self._process:
            self._process.kill()
            self._process.wait()
        if self._tokens:
            self._tokens.stop()

    def docker_config(self, host: str | None = None) -> bytes:
        """A docker configuration with the login for this registry, or for another `host` that stands before it."""
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return json.dumps({"auths": {host or self.host: {"auth": auth}}}).encode()

    def push(
        self,
        reference: str,
        layers: Sequence[bytes],
        compression: Compression = "gzip",
        architecture: str = "amd64",
        config: Mapping[str, Any] | None = None,
    ) -> Digest:
        """Push an image as REPOSITORY:TAG; the digest of its manifest."""
        repository, tag = reference.split(":")
        pack, suffix = _COMPRESSIONS[compression]
        packed = [pack(layer) for layer in layers]
        text = json.dumps(
            {
                "architecture": architecture,
                "os": "linux",
                "config": dict(config or {}),
                "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
            }
        ).encode()
        for blob in (text, *packed):
            self._push_blob(repository, blob)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(text, "application/vnd.oci.image.config.v1+json"),
            "layers": [_descriptor(blob, _LAYER + suffix) for blob in packed],
        }
        return self.push_manifest(repository, tag, manifest, MANIFEST)

    def push_manifest(self, repository: str, tag: str, manifest: Mapping[str, Any], media_type: str) -> Digest:
        """Push any manifest under a tag."""
        text = json.dumps(manifest).encode()
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", repository, text, media_type)
        return digest_of(text)

    def push_index(self, reference: str, platforms: Mapping[str, str]) -> Digest:
        """Push an index as REPOSITORY:TAG: `linux/amd64` -> tag of an image there."""
        repository, tag = reference.split(":")
        manifests = []
        for platform, theirs in platforms.items():
            system, architecture, *variant = platform.split("/")
            text = self._ask("GET", f"/v2/{repository}/manifests/{theirs}", repository)
            described = {"os": system, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
            manifests.append({**_descriptor(text, MANIFEST), "platform": described})
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        return self.push_manifest(repository, tag, index, INDEX)

    def _push_blob(self, repository: str, blob: bytes) -> None:
        place = self._ask("POST", f"/v2/{repository}/blobs/uploads/", repository, b"", located=True).decode()
        mark = "&" if "?" in place else "?"
        path = place.removeprefix(self.url) + f"{mark}digest={digest_of(blob)}"
        self._ask("PUT", path, repository, blob, "application/octet-stream")

    def _ask(
        self,
        method: str,
        path: str,
        repository: str,
        content: bytes | None = None,
        media_type: str = "",
        *,
        located: bool = False,
    ) -> bytes:
        request = urllib.request.Request(self.url + path, data=content, method=method)
        request.add_header("Accept", f"{MANIFEST}, {INDEX}")
        if media_type:
            request.add_header("Content-Type", media_type)
        if self._tokens:
            request.add_header("Authorization", f"Bearer {self._tokens.token(f'repository:{repository}:pull,push')}")
        elif self.auth == "basic":
            request.add_header("Authorization", "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
        with urllib.request.urlopen(request) as answer:
            return answer.headers["Location"].encode() if located else answer.read()

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/v2/").close()
        except urllib.error.HTTPError as error:
            return error.code == 401
        except OSError:
            return False
        return True


class TokenServer:
    """Hands out tokens that a registry believes, for a user and password or an identity token; `asked` counts them."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .sign(self._key, hashes.SHA256())
        )
        self._certificate = certificate.public_bytes(serialization.Encoding.DER)
        (folder / "root.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.asked = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.config = {
            "realm": f"http://127.0.0.1:{self._server.server_address[1]}/token",
            "service": "tests",
            "issuer": "tests",
            "rootcertbundle": str(folder / "root.pem"),
        }

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, scope: str) -> str:
        """A token for one scope, such as `repository:web:pull`."""
        kind, name, actions = scope.split(":")
        now = int(time.time())
        claims = {
            "iss": "tests",
            "sub": USER,
            "aud": "tests",
            "jti": "1",
            "iat": now,
            "nbf": now - 9,
            "exp": now + 99,
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }
        head = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(self._certificate).decode()]}
        text = ".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        r, s = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                self._answer(self.headers.get("Authorization") == known, parse_qs(urlsplit(self.path).query))

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self._answer(form.get("refresh_token") == [IDENTITY], form)

            def _answer(self, let_in: bool, fields: Mapping[str, list[str]]) -> None:
                tokens.asked += 1
                answer = json.dumps({"token": tokens.token(fields["scope"][0])} if let_in else {}).encode()
                self.send_response(200 if let_in else 401)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _free_port() -> int:
    with socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
