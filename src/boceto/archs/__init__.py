"""Architectures: one file each. The name is the module; there is no registry to edit."""

from __future__ import annotations

import importlib
import pkgutil

from boceto.errors import UsageError, nearest
from boceto.gan import GAN
from boceto.recipe import Recipe, Section, checked


def names() -> list[str]:
    """The architectures there are: the modules of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> type[GAN]:
    """The final GAN class of the module ``archs/<name>.py``; raises UsageError if there is no such module."""
    if name not in names():
        raise UsageError(f"arch.name = '{name}': there is no such architecture{nearest(name, names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    (found,) = (
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, GAN) and item.__module__ == module.__name__
    )
    return found


def configure(recipe: Recipe) -> Section:
    """The architecture's own checked Config from the recipe's ``[arch]`` table; raises UsageError naming the key."""
    table = {key: value for key, value in recipe.arch.items() if key != "name"}
    return checked(find(recipe.arch["name"]).Config, table, "recipe", prefix="arch.")


def build(recipe: Recipe) -> GAN:
    """The GAN a recipe describes, with fresh weights drawn from PyTorch's global generator."""
    return find(recipe.arch["name"])(configure(recipe), recipe)
