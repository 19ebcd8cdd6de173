"""`check`, `resolve`, `render`, `explain` and `fmt` as their users meet them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.cli.main import VERBS
from bundle_format.terminal import run_program

Run = Callable[..., Any]

DEFINITION = """\
project("shop", version = "1.0")
ha = choice("ha", [False, True])
domain = param("domain", type = "fqdn")
port = param("port", type = "port", default = 8080)
password = param("password", type = "secret", doc = "of the database")
check("port > 1023", "ports below 1024 are taken")
app = host("app")
web = image("web", pull = "web:1")
conf = template("app.conf", src = "app.conf.j2", vars = {"domain": domain, "password": password})
for name in ["web1", "web2"] if ha else ["web1"]:
    container(name, image = web, host = app, mounts = {"/etc/app.conf": conf},
        env = {"URL": "https://%s:%s/" % (domain, port)})
document("notes.md", src = "notes.md.j2", vars = {"domain": domain})
"""
SITE = """\
site = "krakow-1"
choices.ha = true
[params]
domain = "krk.example"
password = { file = "password" }
[hosts.app]
engine = "unix:///var/run/docker.sock"
"""


@pytest.fixture
def floto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a verb in the folder of a small definition; returns its output, or its errors where `code` says so."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "site.star": DEFINITION,
        "site.toml": SITE,
        "app.conf.j2": "{{ domain }}\n{{ password }}\n",
        "notes.md.j2": "# {{ domain }}\n",
        "password": "hunter2\n",
    }.items():
        Path(name).write_text(text, encoding="utf-8")

    def run(*words: str, code: int = 0) -> Any:
        ended = run_program("floto-builder", "test", "", VERBS, words)
        out, err = capsys.readouterr()
        assert ended == code, err
        assert "hunter2" not in err
        if "--json" in words or words[0] == "resolve":
            return json.loads(out)
        return err if code else out

    return run


def replace(file: str, old: str, new: str) -> None:
    text = Path(file).read_text(encoding="utf-8")
    assert old in text
    Path(file).write_text(text.replace(old, new), encoding="utf-8")


def test_a_sound_definition_and_a_fitting_site_are_told_in_few_lines(floto: Run) -> None:
    assert floto("check", "--site", "site.toml") == (
        "shop 1.0 is sound\n"
        "  ha = false  1 host, 1 container, 2 templates, 1 document\n"
        "  ha = true   1 host, 2 containers, 2 templates, 1 document\n"
        "site.toml fits it: site krakow-1\n"
    )


def test_check_tells_a_script_the_same(floto: Run) -> None:
    told = floto("check", "--json", "--site", "site.toml")
    assert (told["sound"], told["sites"], told["faults"]) == (True, {"site.toml": "krakow-1"}, [])
    assert [variant["when"] for variant in told["variants"]] == [{"ha": False}, {"ha": True}]


def test_check_tells_faults_of_definition_and_templates_together(floto: Run) -> None:
    replace("site.star", "host = app, mounts", "host = app, mount")
    replace("app.conf.j2", "domain", "domian")
    told = floto("check", code=2)
    assert "site.star:11:46: error: container() has no argument 'mount'; did you mean 'mounts'?" in told
    assert "app.conf.j2:1:4: error: 'domian' is not among its vars" in told
    faults = floto("check", "--json", code=2)["faults"]
    assert ("app.conf.j2", 1, 4) in [(fault["file"], fault["line"], fault["column"]) for fault in faults]


def test_check_tells_all_faults_of_a_site_by_line_and_column(floto: Run) -> None:
    replace("site.toml", '"krk.example"', '"krk_"\nport = 80')
    replace("site.toml", '{ file = "password" }', '"hunter2"')
    told = floto("check", "--site", "site.toml", code=20)
    assert [line.split(": error")[0] for line in told.splitlines()[:2]] == ["site.toml:4:10", "site.toml:6:12"]
    faults = floto("check", "--json", "--site", "site.toml", code=20)["faults"]
    assert [fault["line"] for fault in faults] == [4, 6]


def test_check_judges_the_rules_of_a_definition_on_a_site(floto: Run) -> None:
    replace("site.toml", "[params]", "[params]\nport = 80")
    assert "site.toml:4:8: error: ports below 1024 are taken (port = 80)" in floto(
        "check", "--site", "site.toml", code=20
    )


def test_a_variant_is_printed_open_or_filled_in(floto: Run) -> None:
    first = floto("resolve")
    assert (first["when"], list(first["objects"]["container"])) == ({"ha": False}, ["web1"])
    assert first["objects"]["container"]["web1"]["env"]["URL"] == {
        "$text": ["https://", {"$param": "domain"}, ":", {"$param": "port"}, "/"]
    }
    assert list(floto("resolve", "--choice", "ha=true")["objects"]["container"]) == ["web1", "web2"]
    filled = floto("resolve", "--site", "site.toml")["objects"]
    assert filled["container"]["web2"]["env"]["URL"] == "https://krk.example:8080/"
    assert filled["template"]["app.conf"]["vars"]["password"] == "(secret password)"


@pytest.mark.parametrize(
    ("choice", "told"), [("hi=true", "no choice 'hi'"), ("ha=maybe", "must be one of false, true")]
)
def test_a_choice_that_there_is_not_is_refused(
    floto: Run, choice: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program("floto-builder", "test", "", VERBS, ["resolve", "--choice", choice]) == 2
    assert told in capsys.readouterr().err


def test_files_are_rendered_as_the_site_makes_them_with_secrets_by_name(floto: Run) -> None:
    assert floto("render", "web2:/etc/app.conf") == "krk.example\n(secret password)\n"
    assert floto("render", "web2:/etc/app.conf", "--reveal") == "krk.example\nhunter2\n"
    assert floto("render", "web1:env") == "URL=https://krk.example:8080/\n"
    assert floto("render", "notes.md") == "# krk.example\n"
    assert "web2:/etc/app.conf" in floto("render")
    assert "Did you mean web2:/etc/app.conf?" in floto("render", "web2:/etc/app.cnf", code=2)


def test_everything_can_be_rendered_into_a_new_folder(floto: Run, tmp_path: Path) -> None:
    floto("render", "--into", "out")
    made = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert made == {"web1/env", "web1/etc/app.conf", "web2/env", "web2/etc/app.conf", "notes.md"}
    assert "is there already" in floto("render", "--into", "out", code=2)


def test_a_secret_that_cannot_be_read_is_told_where_it_is_wanted(floto: Run) -> None:
    Path("password").unlink()
    assert floto("render", "web1:/etc/app.conf"), "masked, it is not read"
    assert "site.toml:5:12: error: params.password: " in floto("render", "--reveal", code=20)


def test_a_value_is_explained_from_its_call_to_the_line_of_the_site(floto: Run) -> None:
    assert floto("explain", "container/web2/files/etc/app.conf/template", "--site", "site.toml").startswith(
        "container/web2/files/0/template\n  is    app.conf\n  from  site.star:11:5\n"
    )
    assert floto("explain", "container/web2/env/URL", "--site", "site.toml") == (
        "container/web2/env/URL\n"
        "  is    https://krk.example:8080/\n"
        "  from  site.star:11:5\n"
        "  with  domain = krk.example (fqdn), from site.toml:4:10, declared at site.star:3:10\n"
        "  with  port = 8080 (port), from its default, declared at site.star:4:8\n"
    )
    assert floto("explain", "container/web1/env/URL", "--json")["parameters"][1]["given"] == "its default"
    assert "did you mean 'web1'" in floto("explain", "container/wub1", code=2)


def test_the_uses_of_a_parameter_are_listed(floto: Run) -> None:
    assert floto("explain", "params/port").splitlines() == ["container/web1/env/URL"]
    assert len(floto("explain", "params/domain", "--choice", "ha=true", "--json")["uses"]) == 4


def test_definitions_are_brought_into_one_layout(floto: Run) -> None:
    assert "site.star: not formatted" in floto("fmt", "--check", code=2)
    assert floto("fmt") == "site.star: formatted\n"
    assert 'domain = param("domain", type="fqdn")' in Path("site.star").read_text(encoding="utf-8")
    assert floto("fmt") == floto("fmt", "--check") == ""
    assert floto("check").startswith("shop 1.0 is sound"), "it says what it said before"


def test_what_cannot_be_formatted_stays_as_it_is(floto: Run) -> None:
    replace("site.star", "ha = choice(", "ha = choice((")
    before = Path("site.star").read_bytes()
    assert "site.star cannot be formatted: Failed to parse site.star:3:" in floto("fmt", code=2), "and says why"
    assert Path("site.star").read_bytes() == before
    assert "no such file" in floto("fmt", "nothing.star", code=2)


def test_editors_get_the_words_their_settings_and_the_schema_of_sites(floto: Run) -> None:
    told = floto("editor")
    for name in ("__builtins__.pyi", "pyrightconfig.json", ".vscode/settings.json", "site.schema.json"):
        assert name in told
        assert Path(name).stat().st_size
    schema = json.loads(Path("site.schema.json").read_text(encoding="utf-8"))
    assert schema["properties"]["params"]["required"] == ["domain", "password"]
    assert "#:schema ./site.schema.json" in told


def test_settings_of_ones_own_stay_and_words_come_even_for_a_faulty_definition(floto: Run) -> None:
    Path("pyrightconfig.json").write_text("{}", encoding="utf-8")
    replace("site.star", "domain = param", "domain = parm")
    assert "'parm' is not defined" in floto("editor", code=2)
    assert Path("pyrightconfig.json").read_text(encoding="utf-8") == "{}"
    assert Path("__builtins__.pyi").exists()
    assert not Path("site.schema.json").exists()


@pytest.mark.parametrize(
    "argument", ['labels = {"dsn": "pg://%s@db" % password}', "command = [password]", "hostname = password"]
)
def test_threat_33_a_secret_where_everybody_reads_along_is_found_before_any_site(floto: Run, argument: str) -> None:
    replace("site.star", "host = app, mounts", f"host = app, {argument}, mounts")
    assert "a secret cannot stand here, where everybody can read it" in floto("check", code=2)


def test_what_only_a_sites_values_can_break_is_found_with_its_file(floto: Run) -> None:
    replace("site.star", 'env = {"URL"', 'ports = {"80/tcp": port}, env = {"URL"')
    replace("site.star", "host = app, mounts", 'host = app if name == "web1" else host("two"), mounts')
    Path("site.toml").write_text(SITE + '[hosts.two]\nengine = "unix:///var/run/docker.sock"\n', encoding="utf-8")
    assert "publishes port 8080/tcp on host 'two', as 'web1' does" in floto("check", "--site", "site.toml", code=20)
