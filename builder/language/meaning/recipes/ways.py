"""Words that mean one of several things: which argument decides, and which others belong to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.language.meaning.binding import Readers, judge, read_fields
from builder.language.meaning.spot import Spot
from bundle_format.release.value import Value


@dataclass(frozen=True, slots=True)
class Way:
    """One meaning of a word: in words, the recipe that it makes, and the arguments that it takes."""

    told: str
    recipe: type[Value]
    readers: Readers


def read_way(
    word: str, ways: Mapping[str, Way], bound: Mapping[str, Any], spot: Spot, fixed: Mapping[str, Any]
) -> Value | None:
    """The recipe that the arguments mean; the way without a name is taken where no other one's argument is given."""
    chosen = [name for name in ways if name in bound]
    if len(chosen) > 1:
        spot.at(chosen[1]).fault(f"{word}() takes {' or '.join(map(repr, chosen))}, not both")
        return None
    way = ways[chosen[0] if chosen else ""]
    for name in set(bound) - set(way.readers) - {"name", "tag"}:
        spot.keyword_fault(name, f"{word}(): {name!r} does not belong to {way.told}")
    fields = read_fields(way.readers, bound, spot)
    required = {field for field, wanted in way.recipe.model_fields.items() if wanted.is_required()}
    for argument, (field, _) in way.readers.items():
        if argument not in bound and field in required:
            spot.fault(f"{word}() lacks {argument!r} for {way.told}")
            spot.mark(field)
    return judge(way.recipe, {**fixed, **fields}, spot, way.readers)
