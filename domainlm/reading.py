"""What a plugin's reader may build on: lines, JSON, sentences, words, phrases, and the core's own file formats."""

from domainlm.builtin.formats.conll import read_conll
from domainlm.builtin.formats.json_file import read_json
from domainlm.builtin.formats.squad import read_squad
from domainlm.text.annotated import sentence_examples, sound_entity
from domainlm.text.files import open_text
from domainlm.text.occurrences import find_occurrences
from domainlm.text.sentences import split_sentences
from domainlm.text.words import split_words

__all__ = [
    "find_occurrences",
    "open_text",
    "read_conll",
    "read_json",
    "read_squad",
    "sentence_examples",
    "sound_entity",
    "split_sentences",
    "split_words",
]
