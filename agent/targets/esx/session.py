"""One session with a hypervisor: login and login again, tasks, and every failure as an error of ours."""

import http.client
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import SoapStubAdapter
from pyVmomi.VmomiSupport import GetServiceVersions, versionIdMap

from agent.targets.pin import GREETING_SECONDS, context_for, unreachable
from bundle_format.errors import FlotoError, TargetError
from bundle_format.site.hypervisors import HypervisorAccess

ANSWER_SECONDS = 120
TASK_SECONDS = 3600
"""For how long a task may go on; copying a large disk takes its time."""

_OLDEST = "6.5"


class Session:
    """A hypervisor that let us in; safe to use from several threads. A session that has ended is begun anew."""

    def __init__(self, name: str, access: HypervisorAccess, password: str, certificate: str) -> None:
        """Log in; TargetError when it cannot be reached, shows another certificate or refuses the password."""
        self.name = name
        self.access = access
        self.context = context_for(certificate)
        version = self._version()
        self._stub = _Stub(
            host=access.host_name,
            port=access.port,
            path="/sdk",
            version=version,
            sslContext=self.context,
            httpConnectionTimeout=ANSWER_SECONDS,
        )
        self._stub.floto_login = lambda: self._log_in(password)
        with self.errors("the login"):
            self.content: Any = vim.ServiceInstance("ServiceInstance", self._stub).RetrieveContent()
            self._log_in(password)

    def close(self) -> None:
        """Log out; harmless when repeated."""
        self._stub.floto_login = None
        with suppress(Exception):
            self.content.sessionManager.Logout()
        self._stub.DropConnections()

    def wait(self, task: Any, what: str) -> Any:
        """The result of a task; TargetError when it fails or does not end."""
        with self.errors(what):
            return self.wait_raw(task)

    def wait_raw(self, task: Any) -> Any:
        """The result of a task; the fault of vSphere's when it fails, TargetError when it does not end."""
        pause, until = 0.02, time.monotonic() + TASK_SECONDS
        while True:
            info = task.info
            if info.state == "success":
                return info.result
            if info.state == "error":
                raise info.error
            if time.monotonic() > until:
                raise TargetError(f"hypervisor {self.name}: {info.descriptionId} has not ended after {TASK_SECONDS} s")
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Turn what pyVmomi raises into an error of ours that says what was being done."""
        try:
            yield
        except FlotoError:
            raise
        except vim.fault.InvalidLogin as error:
            raise TargetError(
                f"hypervisor {self.name}: it refuses the user {self.access.user} or the password",
                "Look at both in the site's file. ESX locks an account for a while after a few wrong tries.",
            ) from error
        except vmodl.MethodFault as error:
            raise TargetError(f"hypervisor {self.name}: {what} failed: {_told(error)}", _hint(error)) from error
        except (OSError, http.client.HTTPException) as error:
            cause = error if isinstance(error, OSError) else OSError(str(error))
            raise unreachable(self.name, self.access.host_name, self.access.port, cause) from error

    def _log_in(self, password: str) -> None:
        self.content.sessionManager.Login(self.access.user, password)

    def _version(self) -> str:
        """The newest version of the API that both sides know.

        pyVmomi's own request for it waits for ever at a server that is silent.
        """
        host, port = self.access.host_name, self.access.port
        connection = http.client.HTTPSConnection(host.strip("[]"), port, timeout=GREETING_SECONDS, context=self.context)
        try:
            connection.request("GET", "/sdk/vimServiceVersions.xml")
            root = ET.fromstring(connection.getresponse().read(1 << 20))  # noqa: S314  # of the enrolled server
        except (ET.ParseError, http.client.HTTPException) as error:
            raise self._no_hypervisor() from error
        except OSError as error:
            raise unreachable(self.name, host, port, error) from error
        finally:
            connection.close()
        offered = {version.text for version in root.iter("version")}
        for version in GetServiceVersions("vim25"):
            if versionIdMap[version] in offered:
                return str(version)
        raise self._no_hypervisor()

    def _no_hypervisor(self) -> TargetError:
        return TargetError(
            f"hypervisor {self.name}: what answers at {self.access.address} is no ESX or vCenter from {_OLDEST} on",
            "Look at `address` in the site's file.",
        )


class _Stub(SoapStubAdapter):
    """Begins a session that has ended anew, once a call, on the same connection. Nothing else is ever sent twice."""

    floto_login: Any = None

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._again = threading.Lock()

    def InvokeMethod(self, mo: Any, info: Any, args: Any, outerStub: Any = None) -> Any:  # noqa: N802, N803
        session = self.cookie
        try:
            return super().InvokeMethod(mo, info, args, outerStub)
        except vim.fault.NotAuthenticated:
            if self.floto_login is None or info.wsdlName == "Login":
                raise
        with self._again:
            if self.cookie == session:
                self.floto_login()
        return super().InvokeMethod(mo, info, args, outerStub)


def _told(error: Any) -> str:
    causes = [cause.message for cause in getattr(error, "faultMessage", None) or () if cause.message]
    words = [getattr(error, "msg", "") or type(error).__name__.rpartition(".")[2], *causes]
    return ": ".join(dict.fromkeys(words))


def _hint(error: Any) -> str:
    match error:
        case vim.fault.NoDiskSpace():
            return "Free space on the datastore, or name another one in the site's file."
        case vim.fault.RestrictedVersion():
            return "The API of a free ESXi licence only reads; machines need one that may write."
        case vim.fault.NoPermission():
            return f"The user needs the privilege {error.privilegeId}."
        case vim.fault.DuplicateName() | vim.fault.FileAlreadyExists():
            return "Somebody else's machine or file has that name: look at it, and rename one of them."
    return ""
