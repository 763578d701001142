import pytest

from priorbench import registry as registry_module
from priorbench.registry import Registry, suggest_names


class Point:
    """An entry point of an installed package."""

    def __init__(self, name, load):
        self.name, self.value, self._load = name, f"package:{name}", load

    def load(self):
        return self._load()


@pytest.fixture
def shapes():
    registry = Registry("shape", "tests.shapes")

    @registry.register("square")
    class Square:
        def __init__(self, side, colour="red"):
            self.side, self.colour = side, colour

    @registry.register("open")
    def anything(**arguments):
        return arguments

    return registry


def installed(monkeypatch, **loads):
    points = [Point(name, load) for name, load in loads.items()]
    monkeypatch.setattr(
        registry_module,
        "entry_points",
        lambda group: points if group == "tests.shapes" else [],
    )


def test_register_returns_what_it_decorates(shapes):
    def disc():
        pass

    assert shapes.register("disc")(disc) is disc
    assert shapes.get("disc") is disc
    assert shapes.names() == ["disc", "open", "square"]


def test_build_passes_arguments_on(shapes):
    square = shapes.build("square", side=3)
    assert (square.side, square.colour) == (3, "red")
    assert shapes.build("open", anything=1) == {"anything": 1}


def test_registries_are_separate(shapes):
    assert Registry("shape", "tests.shapes").names() == []


@pytest.mark.parametrize("name", ["a", "a1", "lp-nested", "lp_nested", "β"])
def test_good_names(shapes, name):
    shapes.register(name)(dict)
    assert shapes.get(name) is dict


@pytest.mark.parametrize("name", ["", "two words", "1st", "a.b", "a/b", "a\n"])
def test_bad_names(shapes, name):
    with pytest.raises(ValueError, match="one word"):
        shapes.register(name)


def test_a_taken_name_is_refused(shapes):
    first = shapes.get("square")
    with pytest.raises(ValueError, match="'square' is already registered"):
        shapes.register("square")(dict)
    assert shapes.get("square") is first


def test_unknown_names_suggest_near_ones(shapes):
    with pytest.raises(
        ValueError, match=r"unknown shape 'sqare'; did you mean 'square'\?"
    ):
        shapes.get("sqare")
    with pytest.raises(ValueError, match="unknown shape 'zzz'; known: open, square"):
        shapes.build("zzz")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"side": 1, "color": "blue"}, "no argument 'color'; did you mean 'colour'"),
        ({"side": 1, "xyz": 0}, "no argument 'xyz'; known: side, colour"),
        ({"colour": "blue"}, "shape 'square': missing a required argument: 'side'"),
    ],
)
def test_wrong_arguments_are_named(shapes, arguments, message):
    with pytest.raises(ValueError, match=message):
        shapes.build("square", **arguments)


def test_errors_inside_the_entry_are_its_own(shapes):
    @shapes.register("broken")
    def broken(side=1):
        raise TypeError("from inside")

    with pytest.raises(TypeError, match="from inside"):
        shapes.build("broken", side=2)


def test_an_installed_entry_is_imported_when_first_asked_for(shapes, monkeypatch):
    calls = []
    installed(monkeypatch, disc=lambda: calls.append(1) or dict)
    assert shapes.names() == ["disc", "open", "square"]
    assert calls == []
    assert shapes.get("disc") is dict
    assert shapes.get("disc") is dict
    assert calls == [1]


def test_an_installed_entry_that_does_not_import_is_named(shapes, monkeypatch):
    def load():
        raise ImportError("no module named 'missing'")

    installed(monkeypatch, disc=load)
    with pytest.raises(
        ValueError, match="shape 'disc' of 'package:disc' does not import: no mod"
    ):
        shapes.get("disc")


def test_an_installed_name_is_taken(shapes, monkeypatch):
    installed(monkeypatch, disc=lambda: dict)
    with pytest.raises(ValueError, match="already registered"):
        shapes.register("disc")(list)


def test_an_installed_plugin_may_also_carry_the_decorator(shapes, monkeypatch):
    """The same file works by ``--plugin`` and, moved to a package, by its entry point."""
    installed(monkeypatch, disc=lambda: shapes.register("disc")(dict))
    assert shapes.get("disc") is dict


def test_suggest_lists_all_where_nothing_is_near():
    assert suggest_names("q", ["a", "b"]) == "known: a, b"
    assert suggest_names("q", []) == "known: none"
    near = suggest_names("lp_nest", ["lp_nested", "lp_nests", "normal"])
    assert near == "did you mean 'lp_nests' or 'lp_nested'?"


def test_a_notebooks_cell_may_run_again(shapes):
    def make():
        return type("Disc", (), {"__module__": "__main__"})

    shapes.register("disc")(make())
    again = make()
    assert shapes.register("disc")(again) is again
    assert shapes.get("disc") is again


def test_suggestions_do_not_mind_the_case():
    assert suggest_names("isa-vae", ["β-VAE", "ISA-VAE"]).startswith(
        "did you mean 'ISA-VAE'"
    )
