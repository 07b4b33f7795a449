"""What can go wrong in a way that a user can act on, in English and Korean.

    PipelineError            one line for a person: what is wrong and what to do; the CLI exits 1
      MissingDependency      also an ImportError; names the extra to install
      UnreadableFile         one input file, by one of the codes in FILE_CODES
      ReaderEnded            the process that reads all files is gone

Each class carries its own wording, so that no text is far from the condition it describes.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Notice:
    """What a user should know though nothing failed; `code` is stable, for programs."""

    code: str
    ko: str
    en: str

    def say(self, language: str) -> str:
        """The wording in `language` ("ko" or "en")."""
        return self.ko if language == "ko" else self.en


class PipelineError(Exception):
    """Base of all errors a user can be told and act on.

    Subclasses set `code` (stable, for programs) and `en`, `ko`: each a pair of templates
    (what is wrong, what to do) filled from the keyword arguments of the constructor.
    """

    code: str = "error"
    en: tuple[str, str] = ("{detail}", "")
    ko: tuple[str, str] = ("{detail}", "")

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        super().__init__(self.say("en"))

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception's own way calls the class with `args`, and ours take keywords.
        return _made_again, (type(self), str(self), self.__dict__)

    def message(self, language: str) -> str:
        """What is wrong, in `language` ("ko" or "en"), on one line."""
        return printable((self.ko if language == "ko" else self.en)[0].format(**self.fields))

    def remedy(self, language: str) -> str:
        """What to do about it, on one line; empty where nothing can be."""
        return printable((self.ko if language == "ko" else self.en)[1].format(**self.fields))

    def say(self, language: str) -> str:
        """Both on one line."""
        remedy = self.remedy(language)
        return f"{self.message(language)} — {remedy}" if remedy else self.message(language)


def _made_again(kind: type[PipelineError], said: str, attributes: dict[str, Any]) -> PipelineError:
    """A copy of an error, as `pickle` and `copy` make one."""
    error = kind.__new__(kind)
    super(PipelineError, error).__init__(said)
    error.__dict__.update(attributes)
    return error


def first_line(error: BaseException) -> str:
    """What a library's error says, on one line; its class where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def shown(text: str, length: int = 160) -> str:
    """`text`, which may come from inside a file, as part of one line on a terminal: at most `length` characters."""
    clean = printable(text)
    return clean if len(clean) <= length else clean[: length - 1] + "…"


def printable(text: str) -> str:
    """`text` on one line, with one space for each run of blanks and characters that cannot be printed.

    A file's name may hold line breaks, and escape sequences that would rewrite a terminal.
    """
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


class MissingDependency(PipelineError, ImportError):
    """A library is not installed. Fields: library, extra (the optional extra it is of; empty: of none)."""

    code = "missing_dependency"
    en = ("{library} is not installed", 'pip install "rag-korean-pdf[{extra}]"')
    ko = ("{library} 라이브러리가 없습니다", 'pip install "rag-korean-pdf[{extra}]" 로 설치하세요')
    always_en = "install what is missing again: pip install rag-korean-pdf"
    always_ko = "빠진 라이브러리를 다시 설치하세요: pip install rag-korean-pdf"

    def remedy(self, language: str) -> str:
        if self.fields["extra"]:
            return super().remedy(language)
        return self.always_ko if language == "ko" else self.always_en


# code: (English, remedy, Korean, remedy); the codes are part of the JSON contract.
FILE_CODES: dict[str, tuple[str, str, str, str]] = {
    "encrypted": (
        "the file is locked by a password",
        "give that of a PDF with --password, or many with --passwords FILE; save any other file without one",
        "암호가 걸린 파일입니다",
        "PDF는 --password 또는 --passwords 파일로 암호를 알려 주고, 다른 형식은 암호를 풀어 저장하세요",
    ),
    "damaged": (
        "the file is damaged ({detail})",
        "open it in its own program and save it again",
        "손상된 파일입니다 ({detail})",
        "원래 프로그램에서 열어 다시 저장해 보세요",
    ),
    "not_pdf": (
        "the file is no PDF, HWPX, DOCX, text or Markdown file",
        "check the file; it does not begin as its name promises",
        "PDF, HWPX, DOCX, 텍스트, Markdown 파일이 아닙니다",
        "파일 이름과 내용이 맞는지 확인하세요",
    ),
    "no_text": (
        "no page has text that can be read (empty, or a scan?)",
        "read a scan with --ocr auto, which needs Tesseract",
        "읽을 수 있는 글자가 없습니다(비었거나 스캔한 문서로 보입니다)",
        "스캔한 문서는 --ocr auto 를 붙여 읽으세요(Tesseract 필요)",
    ),
    "too_large": (
        "the file is over the limit ({detail})",
        "split it, or raise the limit in [ingest]",
        "한도를 넘는 파일입니다 ({detail})",
        "나누거나 설정 [ingest]의 한도를 올리세요",
    ),
    "timeout": (
        "reading took longer than {detail} s",
        "raise ingest.timeout_seconds if the file is worth it",
        "{detail}초 안에 읽지 못했습니다",
        "필요하면 ingest.timeout_seconds 를 늘리세요",
    ),
    "memory": (
        "reading needed more than {detail} MB",
        "raise ingest.max_memory_mb if the file is worth it",
        "읽는 데 {detail}MB보다 많은 메모리가 필요합니다",
        "필요하면 ingest.max_memory_mb 를 늘리세요",
    ),
    "crashed": (
        "the reader crashed on this file ({detail})",
        "open it in its own program and save it again",
        "이 파일을 읽던 프로세스가 비정상 종료되었습니다 ({detail})",
        "원래 프로그램에서 열어 다시 저장해 보세요",
    ),
    "unsupported": (
        "the file is, or uses, what is not supported: {detail}",
        "save it as HWPX or DOCX, or print it to a new PDF",
        "지원하지 않는 형식입니다: {detail}",
        "HWPX나 DOCX로 저장하거나 PDF로 인쇄해 보세요",
    ),
    "unreadable": (
        "the file cannot be opened ({detail})",
        "check that it exists and that you may read it",
        "파일을 열 수 없습니다 ({detail})",
        "파일이 있는지, 읽기 권한이 있는지 확인하세요",
    ),
}

# Other wordings of one of the codes: a reason, its code, the wording.
SPECIAL_CASES: dict[str, tuple[str, tuple[str, str, str, str]]] = {
    "killed": (
        "memory",
        (
            "the system ended the reader of this file, as it does when memory runs out",
            "read fewer files at a time with --workers 1, or free memory",
            "이 파일을 읽던 프로세스를 시스템이 강제로 끝냈습니다(메모리 부족으로 보입니다)",
            "--workers 1 로 한 번에 읽는 파일을 줄이거나 메모리를 비우세요",
        ),
    ),
}


class ReaderEnded(PipelineError):
    """The process that reads the files ended, which no file can cause. Fields: how."""

    code = "reader_ended"
    en = (
        "the reading process ended ({how}); what was stored stays",
        "run the same command again; if memory runs out, with --workers 1",
    )
    ko = (
        "문서를 읽는 프로세스가 끝나 버렸습니다({how}). 저장된 것은 그대로입니다",
        "같은 명령을 다시 실행하세요. 메모리가 모자라면 --workers 1 을 붙이세요",
    )


class UnreadableFile(PipelineError):
    """One input file cannot be read.

    Fields: reason (a key of FILE_CODES or SPECIAL_CASES), path, detail, page.
    """

    def __init__(self, reason: str, path: str, detail: str = "", page: int | None = None) -> None:
        self.code, wording = SPECIAL_CASES.get(reason) or (reason, FILE_CODES[reason])
        english, english_remedy, korean, korean_remedy = wording
        detail = shown(detail)
        self.reason = reason
        self.en = (english, english_remedy)
        self.ko = (korean, korean_remedy)
        self.path = path
        self.page = page
        super().__init__(path=path, detail=detail)
