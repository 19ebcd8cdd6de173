"""Every error that floto raises on purpose, and the exit code that each ends in."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How both programs end; part of the interface that scripts rely on (SPEC.md, exit codes)."""

    DONE = 0
    USAGE = 2
    NOT_TRUSTED = 10
    DAMAGED = 11
    MISSING = 12
    PARAMETER = 20
    PREFLIGHT = 21
    ROLLED_BACK = 30
    NEEDS_PERSON = 31
    DRIFT = 40
    LOCKED = 50


class FlotoError(Exception):
    """Something that a person can mend: what happened and to what, and what to do next (`hint`)."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DefinitionError(FlotoError):
    """A definition, its sources or its build are at fault (builder)."""


class TrustError(FlotoError):
    """Nobody whom this site believes vouches for these bytes."""

    exit_code = ExitCode.NOT_TRUSTED


class UnknownKeyError(TrustError):
    """Unsigned, or signed by too few of the keys that this site knows."""


class BadSignatureError(TrustError):
    """A key that this site knows is named, and did not sign these bytes."""


class RefusedError(TrustError):
    """Genuine, and yet not for this site now: revoked, expired, older than what ran here, for somebody else."""


class UnsafeFileError(TrustError):
    """A file that somebody else could have changed, where nobody else may."""


class SigningKeyError(FlotoError):
    """A key file is no key, or is locked."""


class DamageError(FlotoError):
    """The bytes are not those that were signed."""

    exit_code = ExitCode.DAMAGED


class MissingError(FlotoError):
    """A part or a blob that is needed is not here."""

    exit_code = ExitCode.MISSING


class ParameterError(FlotoError):
    """The site's file or one of its parameters does not fit the release."""

    exit_code = ExitCode.PARAMETER


class PreflightError(FlotoError):
    """The site cannot take this release now; nothing was changed."""

    exit_code = ExitCode.PREFLIGHT


class TargetError(FlotoError):
    """An engine or a hypervisor refused or could not be reached."""

    exit_code = ExitCode.PREFLIGHT


class RolledBackError(FlotoError):
    """The change failed and was taken back; what ran before runs again."""

    exit_code = ExitCode.ROLLED_BACK


class NeedsPersonError(FlotoError):
    """The change failed and could not be taken back; a person has to look."""

    exit_code = ExitCode.NEEDS_PERSON


class LockedError(FlotoError):
    """Another agent works on this site, or its journal cannot be read."""

    exit_code = ExitCode.LOCKED
