"""Architectures: one file each. The name is the module; there is no registry to edit."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import torch

from boceto.errors import UsageError, nearest
from boceto.gan import GAN, KNOWN
from boceto.recipe import Recipe, Section, checked, differences

# What a recipe says to a discriminator alone: these sections, and this key.
_OF_D = ("objective.", "augment.", "balance.fake_as_real")


def names() -> list[str]:
    """The architectures there are: the modules of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> ModuleType:
    """The module ``archs/<name>.py``; raises UsageError if there is none."""
    if name not in names():
        raise UsageError(f"arch.name = '{name}': there is no such architecture{nearest(name, names())}")
    return importlib.import_module(f"{__name__}.{name}")


def options(name: str) -> set[str]:
    """The keys an architecture's Config knows."""
    return set(find(name).Config.model_fields)


def configure(recipe: Recipe) -> Section:
    """The architecture's own checked Config from the recipe's ``[arch]`` table; raises UsageError naming the key."""
    table = {key: value for key, value in recipe.arch.items() if key != "name"}
    config: Section = checked(find(recipe.arch["name"]).Config, table, "recipe", prefix="arch.")
    return config


def kind(recipe: Recipe) -> type[GAN]:
    """The class of the architecture that a recipe names."""
    module = find(recipe.arch["name"])
    (found,) = (
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, GAN) and item.__module__ == module.__name__
    )
    return found


def unheeded(recipe: Recipe) -> str:
    """What a recipe says in vain to an architecture that has no discriminator, in a sentence; empty if nothing."""
    if kind(recipe).adversarial:
        return ""
    said = [key for key in differences(Recipe(arch=recipe.arch), recipe) if key.startswith(_OF_D)]
    return f"a {recipe.arch['name']} has no discriminator to heed {', '.join(said)}; leave that out" if said else ""


def build(recipe: Recipe) -> GAN:
    """The GAN a recipe describes, with fresh weights drawn from PyTorch's global generator."""
    if deaf := unheeded(recipe):
        raise UsageError(deaf)
    if recipe.data.labels and not kind(recipe).conditional:
        able = [name for name in names() if kind(Recipe(arch={"name": name})).conditional]
        raise UsageError(
            f"a {recipe.arch['name']} is not told what to draw; leave data.labels out, or use {' or '.join(able)}"
        )
    gan = kind(recipe)(configure(recipe), recipe)
    if gan.c_dim:
        gan.generator.register_buffer("known", torch.zeros(KNOWN, gan.c_dim, dtype=torch.uint8))
    return gan
