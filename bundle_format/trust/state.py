"""What a site trusts, on disk: two sealed copies in two folders, so that losing one loses nothing (THREATS 9, 37)."""

import hashlib
import hmac
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from bundle_format.canonical import canonical, parse_canonical
from bundle_format.digest import digest_of
from bundle_format.errors import LockedError
from bundle_format.lock import try_lock
from bundle_format.release.fields import Name
from bundle_format.release.value import Value
from bundle_format.trust.admission import Floor
from bundle_format.trust.enrolment import Enrolment
from bundle_format.trust.private import make_private_folder, read_private, replace_private
from bundle_format.trust.trust import Trust
from bundle_format.trust.words import words_of

_FILE = "trust.json"
_KEY = "host.key"
_KEY_SIZE = 32
_PREFIX = b"floto/trust-state/v1\0"
_PATIENCE = 100
_PAUSE = 0.1


class _State(Value):
    """One copy: the higher `generation` is the later one."""

    format: Literal["floto-trust/1"] = "floto-trust/1"
    generation: Annotated[int, Field(ge=0)] = 0
    challenge: str = ""
    enrolments: dict[Name, Enrolment] = Field(default_factory=dict)


class TrustFolder:
    """The trust of a site: `STATE/trust` and `STATE.trust` hold the same, sealed with a key that this host made."""

    def __init__(self, state: Path, floor: Floor, random: Callable[[int], bytes] = os.urandom) -> None:
        """`state` is the agent's state folder; `floor` was built into the agent."""
        self._state = state
        self._folders = (state / "trust", state.with_name(f"{state.name}.trust"))
        self._floor = floor
        self._random = random

    def load(self) -> tuple[Trust, tuple[str, ...]]:
        """The trust, and warnings about a copy that is not as it was written; UnsafeFileError when others reach them.

        A new site trusts nothing. Where both copies are gone although this agent has worked here, the trust is empty
        too, and has a challenge that only the makers' reset answers.
        """
        state, warnings = self._read()
        if state.challenge and not state.generation:
            state = self._kept(lambda trust: trust)
        return self._trust(state), warnings

    def change(self, change: Callable[[Trust], Trust]) -> Trust:
        """Keep what `change` makes of the trust, in both copies; LockedError when another agent holds them."""
        return self._trust(self._kept(change))

    def _kept(self, change: Callable[[Trust], Trust]) -> _State:
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in self._folders:
            make_private_folder(folder)
        with self._alone():
            before, _ = self._read()
            trust = change(self._trust(before))
            after = _State(
                generation=before.generation + 1, challenge=trust.challenge, enrolments=dict(trust.enrolments)
            )
            self._write(after)
        return after

    def _trust(self, state: _State) -> Trust:
        return Trust(state.enrolments, state.challenge, self._floor)

    def _read(self) -> tuple[_State, tuple[str, ...]]:
        keys = [key for folder in self._folders if (key := _content(folder / _KEY))]
        states = {folder: _unsealed(_content(folder / _FILE), keys) for folder in self._folders}
        whole = [state for state in states.values() if state]
        if whole:
            latest = max(whole, key=lambda state: state.generation)
            return latest, tuple(
                f"{folder / _FILE} is missing, old or damaged; the other copy counts, and mends it with the next change"
                for folder, state in states.items()
                if state != latest
            )
        if not self._has_worked():
            return _State(), ()
        return _State(challenge=words_of(digest_of(self._random(_KEY_SIZE)))), ()

    def _has_worked(self) -> bool:
        # A key alone is no trace: an enrolment that a power cut ended has nothing to forget yet.
        traces = [self._state / "journal", *(folder / _FILE for folder in self._folders)]
        return any(map(os.path.lexists, traces)) or any((self._state / "receipts").glob("*"))

    def _write(self, state: _State) -> None:
        keys = [key for folder in self._folders if (key := _content(folder / _KEY))]
        key = keys[0] if keys else self._random(_KEY_SIZE)
        for folder in self._folders:
            replace_private(folder / _KEY, key)
            replace_private(folder / _FILE, _sealed(state, key))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._folders[0] / "lock").open("ab") as file:
            for _ in range(_PATIENCE):
                if try_lock(file):
                    break
                time.sleep(_PAUSE)
            else:
                raise LockedError("another agent is changing what this site trusts", "Try again when it has ended.")
            yield


def _sealed(state: _State, key: bytes) -> bytes:
    text = canonical(state.model_dump(mode="json"))
    return text + b"\n" + _seal(text, key) + b"\n"


def _unsealed(content: bytes, keys: list[bytes]) -> _State | None:
    text, _, seal = content.removesuffix(b"\n").partition(b"\n")
    if not any(hmac.compare_digest(seal, _seal(text, key)) for key in keys):
        return None
    try:
        parse_canonical(text)
        return _State.model_validate_json(text)
    except ValueError as error:
        raise LockedError(
            f"what this site trusts was written by another version of the agent: {error}",
            "Use that version or a newer.",
        ) from error


def _seal(text: bytes, key: bytes) -> bytes:
    return hmac.new(key, _PREFIX + text, hashlib.sha256).hexdigest().encode("ascii")


def _content(path: Path) -> bytes:
    try:
        return read_private(path)
    except FileNotFoundError:
        return b""
