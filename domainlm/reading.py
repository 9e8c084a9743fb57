"""What a plugin's reader may build on: line reading, sentence and word splitting, and the core's own file formats."""

from domainlm.builtin.formats.conll import read_conll
from domainlm.text.annotated import sentence_examples, sound_entity
from domainlm.text.files import open_text
from domainlm.text.sentences import split_sentences
from domainlm.text.words import split_words

__all__ = ["open_text", "read_conll", "sentence_examples", "sound_entity", "split_sentences", "split_words"]
