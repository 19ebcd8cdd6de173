"""A small working project to begin with, whose comments teach."""

import re
from collections.abc import Mapping
from pathlib import Path

from bundle_format.errors import DefinitionError

_FILES = {
    "site.star": '''\
"""@NAME@: one page behind nginx, as a start.

Try it:   floto-builder check                                   is all of this right?
          floto-builder keygen @NAME@                           once: a key, and what sites need to believe it
          floto-builder build --key keys/@NAME@.key             makes @NAME@-0.1.floto, to be carried to a site
On site:  floto-agent trust enrol root-1.floto-root             once
          floto-agent apply @NAME@-0.1.floto --site site.toml
"""

project("@NAME@", version="0.1", doc="A page behind nginx")

# What only a site knows. The builder never sees these values: a site writes them into its site.toml.
# They go into texts ("http://%s/" % address), but no decision can depend on them: that is what choice() is for.
address = param("address", type="ip", doc="address of the host that shows the page")
port = param("port", type="port", default=8080, doc="port of the page on that host")
visitor = param("visitor", default="world", doc="whom the page greets")

# What the product is made of. The first image comes from a registry; the second is put together from it and a
# folder of this project, without docker. `floto-builder lock` pins what "1.27-alpine" means today.
nginx = image("nginx", pull="nginx:1.27-alpine")
web = image("web", base=nginx, files={"/usr/share/nginx/html": folder("page")})

# Where it runs. How the agent reaches the host's engine is the site's matter, too.
server = host("server", address=address)

# A template is rendered on site. It knows its `vars` and nothing else; a misspelt name is found while building.
page = template("page", src="templates/index.html.j2", vars={"visitor": visitor, "address": address})

container(
    "web",
    image=web,
    host=server,
    ports={"80/tcp": port},
    mounts={"/usr/share/nginx/html/index.html": page},
    healthcheck=http(80, interval="5s"),
)

# More than one of something is a loop, and what repeats is a function:
#     for number in range(1, nodes + 1):
#         container("web%d" % number, ...)
# All words: see the reference, or let your editor tell: floto-builder editor
''',
    "site.toml": """\
# One place where @NAME@ runs. Every site has such a file of its own; it is never part of a bundle.
site = "my-desk"

[params]
address = "127.0.0.1"
visitor = "my desk"

[hosts.server]
engine = "unix:///var/run/docker.sock"
""",
    "page/style.css": "body { font-family: sans-serif; margin: 4em auto; max-width: 30em }\n",
    "templates/index.html.j2": """\
<!doctype html>
<title>@NAME@</title>
<link rel="stylesheet" href="style.css">
<h1>Hello, {{ visitor | xml }}!</h1>
<p>This page was rendered for {{ address }}.</p>
""",
    ".gitignore": "keys/*.key\n*.floto\n",
}


def write_starter(folder: Path, name: str) -> list[Path]:
    """Write the project `name` into `folder` and return its files.

    DefinitionError, and nothing written, where one of them exists.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", name):
        raise DefinitionError(
            f"{name!r} is no name for a product", "Take lower-case letters, digits and '-': --name shop"
        )
    texts: Mapping[Path, str] = {folder / path: text.replace("@NAME@", name) for path, text in _FILES.items()}
    if there := [str(place) for place in texts if place.exists() or place.is_symlink()]:
        raise DefinitionError(f"there already: {', '.join(there)}", "Take an empty folder; nothing was written.")
    try:
        for place, text in texts.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise DefinitionError(f"{folder} cannot be written: {error.strerror}") from error
    return list(texts)
