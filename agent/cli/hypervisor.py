"""Enrolling a hypervisor: its certificate is fetched, compared by a person, and believed from then on, alone."""

from argparse import Namespace

from agent.cli.machinery import certificate_path
from agent.cli.site import Site, site_of
from agent.targets.pin import fetch_certificate, thumbprint_of
from bundle_format.errors import ExitCode, FlotoError, TrustError
from bundle_format.site.hypervisors import HypervisorAccess, LocalAccess, thumbprint_text
from bundle_format.site.sitefile import read_hypervisors
from bundle_format.terminal import Terminal
from bundle_format.trust.private import make_private_folder, replace_private


def enrol(arguments: Namespace, terminal: Terminal) -> ExitCode:
    """Believe the certificate of a hypervisor, once it was compared; TrustError when it is not the one."""
    site = site_of(arguments)
    access = _access(arguments)
    told = _told(arguments, access)
    certificate = fetch_certificate(arguments.name, access.host_name, access.port)
    shown = thumbprint_of(certificate)
    if told is None:
        terminal.warn(f"hypervisor {arguments.name} at {access.address} shows the SHA-256 thumbprint\n  {shown}")
        if not terminal.ask("Does its console, or who runs it, tell the same?"):
            raise TrustError("the thumbprint was not confirmed; nothing was enrolled", "Ask who runs the hypervisor.")
    elif thumbprint_text(shown) != told:
        # What was shown stays unsaid: somebody in a hurry would copy it.
        raise TrustError(
            f"BAD: hypervisor {arguments.name} at {access.address} shows another certificate than you were told; "
            "nothing was enrolled",
            "Somebody may be in between, or it got a new one: ask who runs it.",
        )
    _keep(site, arguments.name, certificate)
    terminal.say(f"hypervisor {arguments.name}: enrolled\n  {shown}")
    return ExitCode.DONE


def _access(arguments: Namespace) -> HypervisorAccess:
    known = read_hypervisors(arguments.site)
    if arguments.name not in known:
        raise FlotoError(
            f"{arguments.site} has no hypervisor {arguments.name}",
            f"It has: {', '.join(sorted(known)) or 'none'}. Write [hypervisors.{arguments.name}] first.",
        )
    access = known[arguments.name]
    if isinstance(access, LocalAccess):
        raise FlotoError(f"hypervisor {arguments.name} is this computer itself: it has no certificate to be enrolled")
    return access


def _told(arguments: Namespace, access: HypervisorAccess) -> str | None:
    if arguments.thumbprint is None:
        return access.thumbprint
    try:
        return thumbprint_text(arguments.thumbprint)
    except ValueError as error:
        raise FlotoError(f"--thumbprint {error}") from error


def _keep(site: Site, name: str, certificate: str) -> None:
    make_private_folder(site.folder.hypervisors)
    replace_private(certificate_path(site, name), certificate.encode("ascii"))
