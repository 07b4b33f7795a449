"""What is wrong with a command, and where its help is, for a Korean terminal: typer says it in English alone."""

import re

from rag.language import say

# What typer says → the same in Korean; what is not here stays as it is.
KOREAN = tuple(
    (re.compile(pattern), korean)
    for pattern, korean in (
        (r"Invalid value: (.*)", "{0}"),
        (r"Invalid value for '?(.+?)'?: (.*)", "{0}: {1}"),
        (r"Missing (?:argument|option|parameter) '(.+?)'\.", "{0} 이(가) 빠졌습니다"),
        (r"No such option: (\S+)", "없는 옵션입니다: {0}"),
        (r"No such option: (\S+) \(Possible options: (.+)\)", "없는 옵션입니다: {0} (비슷한 것: {1})"),
        (r"No such command '(.+?)'\.", "없는 명령입니다: {0}"),
        (r"No such command '(.+?)'\. Did you mean (.+)\?", "없는 명령입니다: {0} (비슷한 것: {1})"),
        (r"Option '(.+?)' requires an argument\.", "{0} 뒤에 값을 주세요"),
        (r"Got unexpected extra argument(?:s|\(s\))? \((.+)\)", "쓸 곳이 없는 인자입니다: {0}"),
        (r"Input should be greater than or equal to (\S+)", "{0} 이상이어야 합니다"),
        (r"Input should be a valid integer.*", "정수를 주세요"),
        (
            r"(?:Value error, )?'(.+)' is not one of (.+?)\.?",
            "{0} 은(는) 쓸 수 없습니다. {1} 가운데 하나를 주세요",
        ),
    )
)


def usage_message(error: Exception) -> str:
    """What typer's usage error says, in the terminal's language."""
    said = error.format_message()
    return say(in_korean(said), said)


def help_command(error: Exception) -> str:
    """The command that teaches what `error` missed: «rag summarise --help»."""
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'rag'} --help"


def in_korean(said: str) -> str:
    for pattern, korean in KOREAN:
        if found := pattern.fullmatch(said):
            return korean.format(*map(in_korean, found.groups()))
    return said
