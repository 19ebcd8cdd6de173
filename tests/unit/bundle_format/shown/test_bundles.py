"""What a person reads of a bundle."""

from pathlib import Path

from bundle_format.progress import Silence
from bundle_format.reader import open_bundle
from bundle_format.release.model import Choice, Parameter, Variant
from bundle_format.shown.bundles import bundle_lines
from bundle_format.writer import Heading, types_in, write_bundle
from tests.bundles import ISSUED, key, make_bundle, root_document


def test_values_read_as_a_site_writes_them(tmp_path: Path) -> None:
    made = make_bundle(tmp_path)
    parameters = {
        "debug": Parameter(type="bool", default=False),
        "greeting": Parameter(type="string", default="hello"),
        "heap": Parameter(type="size", default=512 << 20),
        "port": Parameter(type="port"),
    }
    release = made.release.model_copy(
        update={
            "parameters": parameters,
            "choices": {"ha": Choice(options=(False, True))},
            "variants": (Variant(when={"ha": False}, objects={}), Variant(when={"ha": True}, objects={})),
        }
    )
    write_bundle(
        made.path,
        release,
        tuple(types_in(release)),
        made.store,
        header=Heading(channel="stable", sequence=1, issued=ISSUED),
        signers=[key("acme")],
        root_chain=[root_document("acme").to_bytes()],
        progress=Silence(),
    )
    with open_bundle(made.path, made.trust) as bundle:
        told = "\n".join(bundle_lines("shop.floto", bundle, ISSUED))
    for line in ("variant   ha = false: ", "variant   ha = true: "):
        assert line in told
    for default in ("default false", 'default "hello"', 'default "512m"', "must be given"):
        assert default in told
