"""Recipes: named ones load, go to TOML and back, and refuse what they do not know by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from boceto import archs, recipe
from boceto.errors import UsageError
from boceto.recipe import Recipe


def test_every_named_recipe_loads_builds_and_has_a_headline() -> None:
    names = recipe.names()
    assert names == [
        *(
            "convolutional-64",
            "convolutional-64-thesis",
            "dcgan-64",
            "dcgan-64-quick",
            "progan-160",
            "progan-64",
            "progan-64-thesis",
        ),
        *("stylegan2-64", "vae-64", "vanilla-48", "vanilla-48-thesis"),
    ]
    for name in names:
        archs.build(recipe.load(name))
        assert len(recipe.headline(name)) > 20


@pytest.mark.parametrize("side", [16, 20, 28, 32, 40, 48, 64, 80, 128, 160, 256])
def test_what_is_suggested_for_a_size_can_be_trained(side: int) -> None:
    name, *changes = [word for word in recipe.first_try(side).split() if word != "--set"]
    assert archs.build(recipe.load(name).changed(changes)).image_shape[1:] == (side, side)
    assert not recipe.first_try(50)


def test_toml_round_trip(tiny: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(tiny.to_toml(), "utf-8")
    assert recipe.load(file) == tiny


def test_set_reads_toml_values_and_words(tiny: Recipe) -> None:
    changed = tiny.changed(["train.batch=64", 'augment.policy=["cutout"]', "data.flip=true", "arch.d_norm=none"])
    assert changed.train.batch == 64
    assert changed.augment.policy == ("cutout",)
    assert changed.data.flip is True
    assert archs.build(changed).config.d_norm == "none"
    assert tiny.train.batch == 8


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("train.batch=0", "train.batch = 0"),
        ("train.batch=many", "train.batch = 'many'"),
        ("train.btch=8", "'train.btch'; did you mean 'batch'"),
        ("trian.batch=8", "no section 'trian'; did you mean 'train'"),
        ("train.batch", "section.key=value"),
        ("batch=3", "section.key=value"),
        ("train.kimg=nan", "train.kimg"),
        ("train.kimg=-1", "train.kimg"),
        ('augment.policy=["blur"]', "augment.policy"),
        ("arch.name=3", "arch.name"),
    ],
)
def test_bad_assignments_are_named(tiny: Recipe, assignment: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        tiny.changed([assignment])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("arch.resolution=63", "16, 32, 64, 128 or 256"),
        ("arch.zdim=3", "did you mean 'z_dim'"),
        ("arch.name=dcgam", "did you mean 'dcgan'"),
        ("arch.channels=2", "arch.channels = 2"),
    ],
)
def test_bad_architectures_are_named(tiny: Recipe, assignment: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        archs.build(tiny.changed([assignment]))
    assert says in str(caught.value)


def test_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'dcgan-64'"):
        recipe.load("dcgan64")


@pytest.mark.parametrize("content", ["train = [", "x = 1", "[train]\nbatch = 4", "[arch]\nname = 3", "\udcff"])
def test_damaged_recipe_files_are_named(content: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=r"mine\.toml"):
        recipe.load(file)
