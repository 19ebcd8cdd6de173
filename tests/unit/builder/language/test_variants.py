"""Variants, late values and rules: what is decided at home, and what is left to the site."""

import subprocess
import sys

import pytest

from bundle_format.release.rules import judge
from tests.definitions import evaluated, write_project

START = """
project("shop", version = "2.0")
server = host("server", address = param("address", type = "ip"))
web = image("web", pull = "web:1")
"""

FACTS = {
    "site.star": """
load("//lib/apps.star", "web_app")
project("facts", version = "1")
server = host("server")
apps = [web_app("shop", server, 8080), web_app("admin", server, 8081)]
conf = template("nginx.conf", src = "nginx.conf.j2",
    vars = {"routes": [{"path": a.path, "to": "%s:%d" % (a.name, a.port)} for a in apps]})
container("nginx", image = image("nginx", pull = "nginx:1"), host = server, after = [a.name for a in apps],
    mounts = {"/etc/nginx/nginx.conf": conf})
nodes = ["es%d" % n for n in range(3)]
for node in nodes:
    container(node, image = image(node + "-image", pull = "es:8"), host = server,
        env = {"seeds": ",".join([other for other in nodes if other != node])})
""",
    "lib/apps.star": """
def web_app(name, host, port):
    container(name, image = image(name, pull = name + ":1"), host = host)
    return struct(name = name, port = port, path = "/%s/" % name)
""",
    "nginx.conf.j2": "{% for route in routes %}{{ route.path }} goes to {{ route.to }};{% endfor %}",
}


def test_a_choice_within_a_choice_is_reached_where_it_is_asked(tmp_path):
    evaluation = evaluated(
        tmp_path,
        f"""{START}
ha = choice("ha", [False, True])
nodes = choice("nodes", [3, 5]) if ha else 1
for number in range(nodes):
    container("node%d" % number, image = web, host = server)
""",
    )

    assert [(variant.when, len(variant.objects["container"])) for variant in evaluation.variants] == [
        ({"ha": False}, 1),
        ({"ha": True, "nodes": 3}, 3),
        ({"ha": True, "nodes": 5}, 5),
    ]
    assert evaluation.choices["nodes"].options == (3, 5)


def test_a_rule_of_some_variants_is_asked_there_alone(tmp_path):
    evaluation = evaluated(
        tmp_path,
        f"""{START}
ha = choice("ha", [False, True])
heap = param("heap", type = "int", default = 1)
check("heap > 0", "always")
if ha:
    size = choice("size", ["small", "large"])
    check("heap >= 4 or size == 'small'", "large nodes need more")
container("web", image = web, host = server, env = {{"HEAP": heap}})
""",
    )
    always, sometimes = evaluation.rules

    assert not judge(always, {"heap": 0}, {"ha": False})
    assert judge(sometimes, {"heap": 1}, {"ha": False})
    assert judge(sometimes, {"heap": 1}, {"ha": True, "size": "small"})
    assert not judge(sometimes, {"heap": 1}, {"ha": True, "size": "large"})


HIDDEN = {
    "a comparison": 'def f(p):\n    return "a" if p == "prod" else "b"\nvalue = f(late)',
    "a truth value": 'def f(p):\n    return "a" if p else "b"\nvalue = f(late)',
    "a number's truth": 'def f(p):\n    return "a" if p else "b"\nvalue = f(number)',
    "an or": 'def f(p):\n    return "%s" % (p or "default")\nvalue = f(late)',
    "a membership": 'def f(p):\n    return "a" if p in ["x", "prod"] else "b"\nvalue = f(late)',
    "a length": 'value = "a" if len("%s" % late) > 3 else "b"',
    "a slice": 'value = ("https://%s/" % late)[0:14]',
    "upper case": 'value = ("https://%s/" % late).upper()',
    "a replacement": 'value = ("%s" % late).replace("e", "3")',
    "a hash": 'value = str(hash("%s" % late))',
    "a sorted list": 'value = sorted(["%s" % late, "m"])[0]',
    "a beginning": 'value = "a" if ("%s" % late).startswith("pro") else "b"',
    "a dictionary": 'value = {"%s" % late: "a"}.get("prod", "b")',
    "JSON": "value = json.encode({'a': late})",
    "a type": 'value = "a" if type(late) == "string" else "b"',
}


@pytest.mark.parametrize("decision", HIDDEN.values(), ids=HIDDEN)
def test_no_late_value_decides_anything_in_secret(decision, tmp_path):
    definition = f"""{START}
late = param("late")
number = param("number", type = "int")
{decision}
container("web", image = web, host = server, env = {{"VALUE": value, "LATE": late, "NUMBER": number}})
"""
    with pytest.raises(AssertionError, match=r"depends on the value of a late|late parameter was cut"):
        evaluated(tmp_path, definition)


def test_what_only_passes_through_decides_nothing(tmp_path):
    evaluated(
        tmp_path,
        f"""{START}
def url(host, port, path = ""):
    return "http://{{}}:{{}}{{}}".format(host, port, path)
late = param("late", default = "prod")
number = param("number", type = "int")
known = "prod" if "x" == "y" else "test"
pairs = [(late, number), (number, late)]
container("web", image = web, host = server, env = {{
    "A": url(late, number), "B": "%s-%s" % pairs[1], "C": f"{{late}}{{number}}", "D": known,
    "E": " ".join(["%s" % value for value in [late, number]])}})
""",
    )


def test_facts_of_many_meet_in_one_template(tmp_path):
    evaluation = evaluated(write_project(tmp_path, FACTS), FACTS["site.star"])
    objects = evaluation.variants[0].objects

    assert objects["template"]["nginx.conf"]["vars"]["routes"] == [
        {"path": "/shop/", "to": "shop:8080"},
        {"path": "/admin/", "to": "admin:8081"},
    ]
    assert objects["container"]["es1"]["env"] == {"seeds": "es0,es2"}


def test_the_same_bytes_wherever_and_whenever_it_runs(tmp_path):
    project = write_project(tmp_path / "project", FACTS)
    surroundings = [
        {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "99", "TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "LANG": "cs_CZ"},
        {"PYTHONHASHSEED": "7", "HOME": "/nonexistent", "COLUMNS": "20", "PYTHONUTF8": "1"},
    ]
    command = [sys.executable, "-m", "builder.language.worker", str(project), "{}"]

    outputs = {
        subprocess.run(command, env=one, cwd=cwd, capture_output=True, check=True).stdout
        for one in surroundings
        for cwd in ("/", tmp_path)
    }

    assert len(outputs) == 1
    assert outputs.pop().startswith(b"evaluation\n")
