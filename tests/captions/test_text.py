"""Text as captions are stored."""

from audio_assets.captions.text import normalise


def test_text_is_one_line_of_plain_characters():
    assert normalise("“Soft”\u00a0pads — it’s\n\tﬁne… ½") == '"Soft" pads - it\'s fine... 1⁄2'
    assert normalise("a\u200bb\x00c\u0301") == "ab ć"
    for text in ("“x” – ﬁ\u3000", "…´`", "  "):
        assert normalise(normalise(text)) == normalise(text)
