"""The sketchbook: draws the embedded demo set of tagged cartoon characters.

`invent` rolls a character, `draw` draws it, `write` fills a folder with pictures and a `metadata.jsonl` in the manner
of a Danbooru dump. Everything follows from a seed, so a set need not be stored or downloaded. On request the folder
also holds what real collections hold: broken files, black bars, doubles and odd formats.

`pen` knows lines and colours and nothing of characters; `wardrobe` and `characters` say what there is to draw; the
parts of the body draw it; `drawing` puts them together, and `book` writes.
"""

from boceto.data.sketchbook.book import METADATA, Written, write
from boceto.data.sketchbook.characters import Character, invent
from boceto.data.sketchbook.drawing import draw

__all__ = ["METADATA", "Character", "Written", "draw", "invent", "write"]
