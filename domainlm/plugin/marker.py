"""The two markers of the plugin system: one for the hooks that exist, one for functions that implement them."""

from __future__ import annotations

import pluggy

PROJECT = "domainlm"
"""Name of the plugin system and of the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
"""Marks a function of `domainlm.plugin.hookspecs` as a hook."""

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as the implementation of the hook of that name. Plugins use it as `domainlm.hookimpl`."""
