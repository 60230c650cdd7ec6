"""Names of tables and columns for any key."""

from embedded.warehouse.registry import assign_names, quote


def test_a_plain_key_is_its_own_name():
    """Nothing is renamed without need, blanks and other scripts included."""
    keys = ["id", "two words", "名前", "order", 'x"; drop table people; --', "k" * 80]
    assert assign_names(keys, {}) == {key: key for key in keys}


def test_keys_that_differ_in_case_alone_get_names_of_their_own():
    """DuckDB ignores case in names; the twin's own name is not taken from a third key either."""
    assert assign_names(["Age", "age", "AGE", "age_2"], {}) == {
        "Age": "Age",
        "age": "age_2",
        "AGE": "AGE_3",
        "age_2": "age_2_2",
    }


def test_a_name_once_given_stays():
    """The second request names its keys as the first did, in whatever order they come."""
    known = {"Age": "Age", "age": "age_2"}
    assert assign_names(["age", "Age", "aGE"], known) == {"age": "age_2", "Age": "Age", "aGE": "aGE_3"}


def test_an_empty_key_and_control_characters_get_readable_names():
    """No name is empty or invisible, and none is longer than a screen can show."""
    names = assign_names(["", "a\x00b", "a\nb", "z" * 1000, "z" * 1001], {})
    assert names[""] == "empty"
    assert [names["a\x00b"], names["a\nb"]] == ["a_b", "a_b_2"]
    assert max(map(len, names.values())) < 210
    assert len(set(names.values())) == 5


def test_quotes_cannot_be_left():
    """A quote within a name is doubled, so that the name never ends early."""
    assert quote('a"b') == '"a""b"'
