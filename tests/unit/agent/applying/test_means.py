"""What steps are done with: what of a text is kept and shown."""

from agent.applying.means import HIDDEN, Redactor


def test_a_secret_of_several_lines_is_hidden_line_by_line_as_logs_bring_it() -> None:
    redact = Redactor(["{\n  -----BEGIN KEY-----\n  bXkgc2VjcmV0IGtleQ==\n}", "pa55", "pa55word"])

    assert redact("loaded bXkgc2VjcmV0IGtleQ== {ok}") == f"loaded {HIDDEN} {{ok}}"
    assert redact("with pa55word and pa55") == f"with {HIDDEN} and {HIDDEN}"
