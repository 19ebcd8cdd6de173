"""The one certificate that is believed of a hypervisor: fetched once, compared by a person, then pinned.

pyVmomi's own options for thumbprints accept what they should not; so a context that trusts just the enrolled
certificate goes to it, and to the upload of disks.
"""

import hashlib
import socket
import ssl

from bundle_format.errors import TargetError

GREETING_SECONDS = 15


def fetch_certificate(name: str, host: str, port: int) -> str:
    """The certificate that answers now, as PEM, believed by nobody yet; TargetError if none does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host.strip("[]"), port), GREETING_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=host) as secured,
        ):
            certificate = secured.getpeercert(binary_form=True)
    except OSError as error:
        raise unreachable(name, host, port, error) from error
    assert certificate is not None
    return ssl.DER_cert_to_PEM_cert(certificate)


def thumbprint_of(certificate: str) -> str:
    """The SHA-256 of a PEM certificate as ESX shows it: hex digits in pairs."""
    digits = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest().upper()
    return ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))


def context_for(certificate: str) -> ssl.SSLContext:
    """A context that trusts this PEM certificate and no other, whatever name it bears."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def unreachable(name: str, host: str, port: int, error: OSError) -> TargetError:
    """What to tell of a hypervisor that does not answer, or with another certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TargetError(
            f"hypervisor {name}: {host}:{port} shows another certificate than the one that was enrolled: "
            f"{error.verify_message}; nothing was sent",
            f"If it got a new one, compare it at its console and enrol it: floto-agent trust hypervisor {name}",
        )
    if isinstance(error, ssl.SSLError):
        return TargetError(f"hypervisor {name}: {host}:{port} speaks no TLS: {error.reason}", "Look at its address.")
    return TargetError(
        f"hypervisor {name}: {host}:{port} cannot be reached: {error.strerror or error}",
        "Look whether it runs, and at `address` in the site's file.",
    )
