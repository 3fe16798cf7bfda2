"""How a question is read, for the fused tower and for the language model alike."""

REMOVED = str.maketrans("", "", '.!"()*#:;~')
WORDS = 50


def normalize_question(text: str) -> str:
    """The published training data's form: lower case, without . ! " ( ) * # : ; ~ and blanks at the end, 50 words."""
    return " ".join(text.lower().translate(REMOVED).rstrip().split(" ")[:WORDS])
