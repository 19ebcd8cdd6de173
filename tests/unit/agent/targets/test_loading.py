"""Which images load when, what each leaves to another, and what is told when one fails."""

import threading
from collections.abc import Callable

import pytest

from agent.state import chain_ids
from agent.targets.docker.loading import Loader, load_images
from bundle_format.digest import Digest
from bundle_format.errors import TargetError
from bundle_format.release.model import Image
from tests.images import Shelf, layer, make_image


class Engine(Loader):
    """A loader to no engine: it keeps the order of the images, and what each was told to leave out."""

    def __init__(self, width: int = 3, refused: str = "") -> None:
        self.width = width
        self.refused = refused
        self.left_out: dict[str, frozenset[Digest]] = {}
        self.over: list[str] = []
        self._lock = threading.Lock()

    def load(self, image: Image, held: frozenset[Digest], await_held: Callable[[], None] = lambda: None) -> str:
        """As the true one, but that nothing is sent."""
        with self._lock:
            self.left_out[image.tag] = held & {*chain_ids(image.layers)}
        if image.tag == self.refused:
            raise TargetError(f"the engine refused {image.tag}")
        await_held()
        with self._lock:
            self.over.append(image.tag)
        return image.tag


def images(**sizes: int) -> list[Image]:
    """Images of one base, each with so many bytes of its own."""
    shelf, base = Shelf(), layer({"base": b"base"})
    return [make_image(shelf, name, [base, layer({name: bytes(size)})], Cmd=["x"]) for name, size in sizes.items()]


def test_the_smallest_brings_what_is_shared_and_the_largest_follows() -> None:
    engine, some = Engine(), images(middle=20_000, small=1_000, large=40_000)
    shared = {chain_ids(some[0].layers)[0]}

    loaded = load_images(engine, some, ())

    assert loaded == {image.config: image.tag for image in some}
    assert engine.left_out == {"small": frozenset(), "large": shared, "middle": shared}
    assert engine.over[0] == "small"


def test_one_by_one_nothing_is_waited_for() -> None:
    engine, some = Engine(width=1), images(middle=20_000, small=1_000, large=40_000)

    load_images(engine, some, ())

    assert engine.over == ["small", "large", "middle"]


def test_of_two_that_bring_a_layer_the_one_that_sends_it_is_waited_for() -> None:
    class Slow(Engine):
        def load(self, image: Image, held: frozenset[Digest], await_held: Callable[[], None] = lambda: None) -> str:
            if image.tag == "large":
                assert middle.wait(20), "middle waits for large, though small brings what both lack"
            name = super().load(image, held, await_held)
            if name == "middle":
                middle.set()
            return name

    middle, engine = threading.Event(), Slow()

    load_images(engine, images(small=1_000, middle=20_000, large=40_000), ())

    assert engine.over == ["small", "middle", "large"]


def test_an_image_that_others_bring_whole_takes_no_turn_from_one_that_has_more_to_send() -> None:
    class Level(Engine):
        def load(self, image: Image, held: frozenset[Digest], await_held: Callable[[], None] = lambda: None) -> str:
            begun.append(image.tag)
            if image.tag != "runtime":
                together.wait(20)
            return super().load(image, held, await_held)

    begun, together = list[str](), threading.Barrier(3)
    shelf, base, java = Shelf(), layer({"base": b"base"}), layer({"java": bytes(20_000)})
    app = make_image(shelf, "app", [base, java, layer({"app": b"app"})], Cmd=["x"])
    runtime = make_image(shelf, "runtime", [base, java], Cmd=["x"])
    small = make_image(shelf, "small", [base], Cmd=["x"])
    texts = make_image(shelf, "texts", [base, layer({"texts": b"texts"})], Cmd=["x"])

    load_images(Level(), [app, runtime, small, texts], ())

    assert begun[-1] == "runtime"


@pytest.mark.parametrize("refused", ["small", "large"])
def test_the_first_to_fail_is_told_and_not_those_that_waited_for_it(refused: str) -> None:
    shelf, base, shared = Shelf(), layer({"base": b"base"}), layer({"shared": bytes(20_000)})
    own = {"small": [], "large": [shared, layer({"large": bytes(20_000)})], "middle": [shared, layer({"middle": b"x"})]}
    some = [make_image(shelf, name, [base, *layers], Cmd=["x"]) for name, layers in own.items()]
    waited_for = {"small": {"small", "large", "middle"}, "large": {"large", "middle"}}[refused]

    for _ in range(20):
        engine = Engine(refused=refused)
        with pytest.raises(TargetError, match=f"the engine refused {refused}"):
            load_images(engine, some, ())
        assert waited_for.isdisjoint(engine.over)


def test_nothing_to_load() -> None:
    assert load_images(Engine(), (), ()) == {}
