"""What every value read at a door has in common: strict, frozen, no key unknown."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value; reading reports all faults at once and never echoes what it read (it may be a secret)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )
