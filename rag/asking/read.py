"""What a user writes → a question to work on, or an error before any work is done."""

from rag.errors import EmptyQuestion, QuestionTooLong

# The longest question, in characters: about ten pages. A question is analysed, embedded and rendered whole;
# a longer text should be ingested as a document.
MOST_CHARACTERS = 20_000


def read_question(question: str) -> str:
    """`question` as it is, if it can be worked on.

    Raises:
        EmptyQuestion: it is blank.
        QuestionTooLong: it has more than `MOST_CHARACTERS`.
    """
    if not question.strip():
        raise EmptyQuestion()
    return read_query(question)


def read_query(query: str) -> str:
    """`query` as it is, if it is not too long. It may be blank: then it finds nothing.

    Raises:
        QuestionTooLong: it has more than `MOST_CHARACTERS`.
    """
    if len(query) > MOST_CHARACTERS:
        raise QuestionTooLong(characters=len(query), most=MOST_CHARACTERS)
    return query
