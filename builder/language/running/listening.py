"""What words answer while a definition runs: they only listen, and are read when the run is over."""

from collections.abc import Mapping
from typing import Any

from builder.language.hearing import Call
from builder.language.meaning.recipes.recipes import file_of
from bundle_format.release.model import Scalar


class ForkError(Exception):
    """A choice that this run has no option for: the run is repeated with each of them."""

    def __init__(self, call: Call, options: list[Scalar]) -> None:
        super().__init__(call.name)
        self.call = call
        self.options = options


class Listener:
    """Listens to one run; with `samples` the late values are known, as they will be on a site."""

    def __init__(self, chosen: Mapping[str, Scalar], samples: Mapping[str, Scalar] | None = None) -> None:
        self.calls: list[Call] = []
        self._chosen = chosen
        self._samples = samples

    def tell(self, call: Call) -> Mapping[str, Any]:
        """Hear one word and answer what its record needs."""
        self.calls.append(call)
        match call.word:
            case "param":
                return {"late": call.name} if self._samples is None else {"value": self._samples.get(call.name)}
            case "choice":
                return {"value": self._chosen_option(call)}
            case "artifact":
                return {"name": call.name, "file": file_of(call.name, call.named)}
        return {"name": call.name}

    def _chosen_option(self, call: Call) -> Scalar | None:
        options = call.named.get("options", call.given[1] if len(call.given) > 1 else None)
        if call.name in self._chosen:
            return self._chosen[call.name]
        if not isinstance(options, list) or not all(isinstance(option, bool | int | str) for option in options):
            return None  # told when the run is read
        if options:
            raise ForkError(call, options)
        return None
