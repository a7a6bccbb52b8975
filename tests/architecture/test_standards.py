"""The page of standards says what docstrings and citations say."""

import ast
from pathlib import Path

import pytest
from tests.support.rfc import rfc, standard
from tools.standards import Malformed, citations, collect, implemented, labelled, render

DOCSTRING = """An endpoint.

Implements: RFC 9700 §4.14.2, §2.2.2; OpenID Connect Core 1.0 §2 (names; of claims); RFC 7515 §2,
Appendix C.
Diverges: ``plain`` is not offered,
nor is anything else.

More.
"""


def test_labels_are_read_over_several_lines_up_to_the_next() -> None:
    assert labelled(DOCSTRING, "Implements").endswith("RFC 7515 §2, Appendix C.")
    assert labelled(DOCSTRING, "Diverges") == "``plain`` is not offered, nor is anything else."
    assert labelled("Nothing.", "Implements") == ""


def test_clauses_are_told_apart() -> None:
    assert list(implemented(labelled(DOCSTRING, "Implements"))) == [
        ("RFC 9700", "4.14.2"),
        ("RFC 9700", "2.2.2"),
        ("OpenID Connect Core 1.0", "2"),
        ("RFC 7515", "2"),
        ("RFC 7515", "C"),
    ]
    assert list(implemented("RFC 7662.")) == [("RFC 7662", "")]


@pytest.mark.parametrize("text", ["§4.1", "RFC 6749 §1; §2"])
def test_a_clause_without_its_standard_is_an_error(text: str) -> None:
    with pytest.raises(Malformed):
        list(implemented(text))


def test_citations_are_found_on_tests_classes_and_whole_files() -> None:
    source = (
        'pytestmark = [rfc("1", "2")]\n'
        '@rfc("3", "4.5")\n@standard("OIDC", "6")\nasync def test_a(): ...\n'
        '@rfc("7", "8")\nclass TestB: ...\n'
        "@other()\ndef test_c(): ...\n"
        'DRAFT = "draft-x"\n@standard(DRAFT, "9")\ndef test_d(): ...\n'
    )
    assert sorted(citations(ast.parse(source))) == [
        ("OIDC", "6", "test_a"),
        ("RFC 1", "2", ""),
        ("RFC 3", "4.5", "test_a"),
        ("RFC 7", "8", "TestB"),
        ("draft-x", "9", "test_d"),
    ]


def test_a_citation_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(Malformed):
        list(citations(ast.parse("@rfc(number, '1')\ndef test_a(): ...\n")))


def test_the_page_names_modules_and_tests_in_order_of_sections(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "src/a.py").write_text('"""A.\n\nImplements: RFC 9 §10, §2.1, §2.\nDiverges: never.\n"""\n')
    (tmp_path / "tests/test_a.py").write_text('@rfc("9", "2.1")\ndef test_it_holds(): ...\n')
    page = render(*collect(tmp_path))
    assert page.index("[§2](") < page.index("[§2.1](") < page.index("[§10](")
    assert "[test_a.py](../tests/test_a.py): it holds" in page
    assert "- [src/a.py](../src/a.py): never." in page


def test_every_module_of_this_project_names_its_standards_readably() -> None:
    clauses, _ = collect(Path(__file__).resolve().parents[2])
    assert ("RFC 9700", "4.14.2") in clauses
    assert clauses["RFC 9700", "4.14.2"].tests


@pytest.mark.parametrize("arguments", [("RFC 9700", "4"), ("9700", "§4"), ("9700", ""), ("9700", "4."), ("", "4")])
def test_a_citation_has_a_number_and_a_section(arguments: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="write @rfc"):
        rfc(*arguments)


def test_what_is_no_rfc_has_a_decorator_of_its_own() -> None:
    assert standard("OpenID Connect Core 1.0", "3.1").args == ("OpenID Connect Core 1.0", "3.1")
    with pytest.raises(ValueError, match="write @standard"):
        standard("RFC 9700", "4")
