"""What a user writes → a question that can be worked on, or an error before any work is done."""

from rag.errors import EmptyQuestion, QuestionTooLong

# The longest question, in characters: some ten pages. A question is analysed, embedded and rendered whole,
# and one that is longer is a document.
MOST_CHARACTERS = 20_000


def read_question(question: str) -> str:
    """`question`, which is not blank and not too long.

    Raises:
        EmptyQuestion, QuestionTooLong.
    """
    if not question.strip():
        raise EmptyQuestion()
    return read_query(question)


def read_query(query: str) -> str:
    """`query`, which is not too long; a blank one finds nothing.

    Raises:
        QuestionTooLong.
    """
    if len(query) > MOST_CHARACTERS:
        raise QuestionTooLong(characters=len(query), most=MOST_CHARACTERS)
    return query
