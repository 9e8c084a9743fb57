"""The kit with which plugin authors test what they declare.

    from domainlm.testing import check_plugin

    def test_plugin() -> None:
        check_plugin("my_plugin.hooks")

Every check raises `CheckError`, a `UserError` that says where, what was found and what to do. It is no
AssertionError, so that the checks also hold under `python -O` and can be run outside of a test suite.
"""

from domainlm.plugin import Registry
from domainlm.testing.corpora import CorpusCounts, check_corpus
from domainlm.testing.failure import CheckError
from domainlm.testing.plugins import PluginReport, check_plugin, plugin_registry
from domainlm.testing.ranks import run_on_ranks
from domainlm.testing.recipes import check_recipe
from domainlm.testing.sizes import check_model_size
from domainlm.testing.survival import SurvivalCounts, blocks_of, check_locality, check_survival, lines_of
from domainlm.testing.tasks import TaskCounts, check_task
from domainlm.testing.vocabularies import check_vocabulary

__all__ = [
    "CheckError",
    "CorpusCounts",
    "PluginReport",
    "Registry",
    "SurvivalCounts",
    "TaskCounts",
    "blocks_of",
    "check_corpus",
    "check_locality",
    "check_model_size",
    "check_plugin",
    "check_recipe",
    "check_survival",
    "check_task",
    "check_vocabulary",
    "lines_of",
    "plugin_registry",
    "run_on_ranks",
]
