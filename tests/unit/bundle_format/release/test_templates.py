"""Templates: what they may do, what stops them, and that no secret ever stands in an error."""

import json
from typing import Any

import pytest

from bundle_format.release.fields import Sealed
from bundle_format.release.templates import render, template_faults
from bundle_format.release.value import FaultyError

KEY = b"key of this site"


def rendered(text: str, **variables: Any) -> str | Sealed:
    return render("app.conf.j2", text, variables, KEY)


def fault(text: str, **variables: Any) -> str:
    with pytest.raises(FaultyError) as failed:
        rendered(text, **variables)
    return str(failed.value)


def test_a_template_renders_its_variables_and_keeps_its_lines() -> None:
    text = "# nodes\n{% for node in nodes %}\n  node {{ node.name }} {{ node.port }};\n{% endfor %}\nend\n"
    assert rendered(text, nodes=({"name": "es1", "port": 9200}, {"name": "es2", "port": 9201})) == (
        "# nodes\n  node es1 9200;\n  node es2 9201;\nend\n"
    )


def test_loop_knowledge_survives_the_counting_of_loops() -> None:
    numbered = "{% for n in nodes %}{{ loop.index }}/{{ loop.length }}{{ ',' if not loop.last }}{% endfor %}"
    assert rendered(numbered, nodes=(1, 2)) == "1/2,2/2"
    assert rendered("{% for k, v in t.items() %}{{ k }}={{ v }}{% else %}none{% endfor %}", t={}) == "none"


@pytest.mark.parametrize(
    ("expression", "value", "finished"),
    [
        ("value | json", ("a", {"b": True, "c": None}), '["a", {"b": true, "c": null}]'),
        ("value | sh", "it's $HOME", "'it'\"'\"'s $HOME'"),
        ("value | xml", "<a b=\"c\" d='e'>&", "&lt;a b=&quot;c&quot; d=&apos;e&apos;&gt;&amp;"),
        ("value | properties", "a b=c:d#e!\\\n\t€😀", "a\\ b\\=c\\:d\\#e\\!\\\\\\n\\t\\u20AC\\uD83D\\uDE00"),
        ("value | sh", True, "true"),
    ],
)
def test_filters_write_what_the_other_language_reads(expression: str, value: Any, finished: str) -> None:
    assert rendered("{{ " + expression + " }}", value=value) == finished


def test_json_of_a_secret_reads_back_as_the_secret() -> None:
    finished = rendered('{"password": {{ password | json }}}', password=Sealed('a"b\\', KEY))
    assert isinstance(finished, Sealed)
    assert json.loads(finished.reveal()) == {"password": 'a"b\\'}


@pytest.mark.parametrize("value", [None, True, (), {}])
def test_a_value_without_a_text_of_its_own_is_refused(value: Any) -> None:
    assert "has no text of its own" in fault("\n{{ value }}", value=value)


def test_a_fraction_is_refused_with_the_way_out() -> None:
    assert fault("{{ memory / 2 }}", memory=3) == (
        "app.conf.j2:1: error: a number with a fraction has no text of its own: divide by //, or use the filter 'int'"
    )


def test_an_undefined_member_is_told_with_its_line() -> None:
    assert fault("first\n\n{{ node.prot }}", node={"port": 1}) == (
        "app.conf.j2:3: error: 'dict object' has no attribute 'prot'"
    )


@pytest.mark.parametrize(
    ("hostile", "stopped_by"),
    [
        ("{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}", "250,000 steps"),
        ("{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(40) }}", "250,000 steps"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls itself without end"),
        ("{{ 'x' * 99999999999 }}", "16,777,216 characters"),
        ("{{ [1] * 99999999999 }}", "16,777,216 characters"),
        ("{% for a in range(9000) %}{{ 'x' * 9000 }}{% endfor %}", "16,777,216 characters"),
        ("{{ 9 ** 99999999 }}", "1024 bits"),
        ("{% set a = 9 ** 300 %}{{ a * a }}", "1024 bits"),
        ("{{ range(10 ** 9) }}", "Range too big"),
        ("{{ ''.__class__ }}", "unsafe"),
        ("{{ values.append(1) }}", "append"),
        ("{{ ''.format.__globals__ }}", "unsafe"),
        ("{{ '{0.__class__}'.format(1) }}", "unsafe"),
        ("{{ self.__init__ }}", "unsafe"),
        ("{{ lipsum() }}", "'lipsum' is undefined"),
        ("{{ values | random }}", "No filter named 'random'"),
        ("{% include '/etc/passwd' %}", "no loader"),
    ],
)
def test_a_hostile_template_is_stopped(hostile: str, stopped_by: str) -> None:
    assert stopped_by in fault(hostile, values=(1, 2))


@pytest.mark.parametrize(
    "text",
    [
        "{{ table[password] }}",
        "{{ table[password | sh] }}",
        "{{ table[password | upper] }}",
        "{{ password.nothing }}",
        "{{ '%d' | format(password) }}",
        "{{ table[password | list | join('-')] }}",
    ],
)
def test_no_error_quotes_a_secret_in_any_disguise(text: str) -> None:
    told = fault(text, password=Sealed("Hunter'2", KEY), table={}).lower()
    assert told.startswith("app.conf.j2:1: error: ")
    assert "hunter" not in told
    assert "h-u-n" not in told


def test_a_failure_that_only_the_secret_causes_says_so() -> None:
    assert fault("{{ 1 // (password | length - 3) }}", password=Sealed("abc", KEY)) == (
        "app.conf.j2:1: error: fails for the value of a secret, not shown here"
    )


def test_names_and_filters_are_judged_before_any_value_is_known() -> None:
    text = "{{ site }} {{ nodes }}\n{% set own = 1 %}\n  {{ noodes | lenght }} {{ own }}{{ range(2) | list | length }}"
    assert list(map(str, template_faults("app.conf.j2", text, {"nodes", "heap"}))) == [
        "app.conf.j2:3:15: error: no filter named 'lenght'; did you mean 'length'?",
        "app.conf.j2:1:4: error: 'site' is not among its vars (heap, nodes)",
        "app.conf.j2:3:6: error: 'noodes' is not among its vars (heap, nodes); did you mean 'nodes'?",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\n{% if %}", "app.conf.j2:2: error: Expected an expression, got 'end of statement block'"),
        ("{{ a | tojson }}", "app.conf.j2:1:8: error: no filter named 'tojson'; did you mean 'json'?"),
        ("{{ a is defned }}", "app.conf.j2:1:9: error: no test named 'defned'; did you mean 'defined'?"),
        ("\n{% include 'a' %}", "app.conf.j2:2: error: a template stands alone: no include, import or extends"),
    ],
)
def test_a_template_that_cannot_work_is_told_at_its_line(text: str, told: str) -> None:
    assert told in list(map(str, template_faults("app.conf.j2", text, {"a"})))
