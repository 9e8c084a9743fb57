"""Plugins: hook specifications, discovery and checks, and the registry of who gives which name."""

from domainlm.plugin.manager import BrokenPlugin, LoadedPlugin, LoadedPlugins, load_plugins
from domainlm.plugin.marker import hookimpl
from domainlm.plugin.provider import Provider
from domainlm.plugin.registry import Provided, Registry

__all__ = [
    "BrokenPlugin",
    "LoadedPlugin",
    "LoadedPlugins",
    "Provided",
    "Provider",
    "Registry",
    "hookimpl",
    "load_plugins",
]
