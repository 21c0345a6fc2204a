from zoo.nested import differences


def test_differences_name_the_leaf():
    before = {"a": {"b": 1, "c": [1]}, "d": {}}
    now = {"a": {"b": 2, "c": [1]}, "d": {"e": 3}}
    assert differences(before, now) == [("a.b", 1, 2), ("d", {}, None), ("d.e", None, 3)]
    assert differences({}, {}) == []
