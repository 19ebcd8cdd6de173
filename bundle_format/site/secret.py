"""Secrets: read from where a site keeps them, all that is wrong with them told at once and never what they are."""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from bundle_format.release.model import Parameter
from bundle_format.release.value import Fault
from bundle_format.site.hypervisors import SecretSource
from bundle_format.site.sitefile import FaultySiteError, Site

MAX_SIZE: Final = 64 << 10
"""Bytes of a file with a secret: room for a key or a chain of certificates."""

Ask = Callable[[str], str]
"""Asks a person at the terminal for a text that is not shown while it is typed."""


def read_secrets(
    site: Site,
    parameters: Mapping[str, Parameter],
    wanted: Collection[str],
    environment: Mapping[str, str],
    ask: Ask | None,
) -> dict[str, str]:
    """The texts of the `wanted` secrets, without the line's end that an editor leaves.

    Files and environment come first, so that nobody types in vain; `ask` is None where there is no terminal.
    FaultySiteError with every fault.
    """
    faults: list[Fault] = []
    secrets: dict[str, str] = {}
    for name, source in sorted(site.secrets.items(), key=lambda named: named[1].prompt):
        if name not in wanted or (source.prompt and faults):
            continue
        try:
            secrets[name] = _usable(read_secret(name, source, environment, ask), parameters[name])
        except ValueError as error:
            faults.append(site.fault(("params", name), f"params.{name}: {error}"))
    if faults:
        raise FaultySiteError(faults, "Put each secret alone in its place, as UTF-8 text; nothing was changed.")
    return secrets


def read_secret(name: str, source: SecretSource, environment: Mapping[str, str], ask: Ask | None) -> str:
    """The text of one secret; ValueError when it is not there, which says where it was looked for."""
    if source.file is not None:
        return _of_file(Path(source.file))
    if source.env is not None:
        if source.env not in environment:
            raise ValueError(f"the environment has no {source.env}")
        return environment[source.env]
    if ask is None:
        raise ValueError("there is no terminal to ask at: use { file = ... } or { env = ... }")
    return ask(name)


def _of_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_SIZE:
        raise ValueError(f"{path} is larger than {MAX_SIZE} bytes, so it is hardly a secret")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no UTF-8 text (PowerShell's > writes UTF-16)") from None
    return re.sub(r"\r?\n\Z", "", text)


def _usable(secret: str, parameter: Parameter) -> str:
    if not secret:
        raise ValueError("the secret is empty")
    if "\0" in secret:
        raise ValueError("the secret holds a NUL character")
    if parameter.pattern is not None and not re.fullmatch(parameter.pattern, secret):
        raise ValueError(f"the secret must match {parameter.pattern}")
    return secret
