"""What can go wrong between a question and its answer: errors worded as in ingest/errors.py."""

from ingest.errors import PipelineError


class ConfigError(PipelineError):
    """Fields: detail."""

    code = "config"
    en = ("{detail}", "rag init writes a commented rag.toml to start from")
    ko = ("{detail}", "rag init 이 만드는 rag.toml 을 참고하세요")


class UnknownConfigKey(ConfigError):
    """Fields: key, known, where."""

    code = "unknown_config_key"
    en = ("unknown configuration key {key} in {where}", "known here: {known}")
    ko = ("{where}: 알 수 없는 설정 항목입니다: {key}", "쓸 수 있는 항목: {known}")


class TokenizerUnavailable(PipelineError):
    """Fields: name, detail."""

    code = "tokenizer_unavailable"
    en = (
        "the tokenizer {name} cannot be loaded: {detail}",
        "set models.tokenizer to a folder with tokenizer.json and tokenizer_config.json,"
        " or let this machine reach the hub once",
    )
    ko = (
        "{name} 토크나이저를 불러올 수 없습니다: {detail}",
        "tokenizer.json 과 tokenizer_config.json 이 든 폴더를 models.tokenizer 에 지정하거나"
        " 허브에 연결해 한 번 내려받으세요",
    )


class PromptTooLong(PipelineError):
    """Fields: tokens, window, reserved."""

    code = "prompt_too_long"
    en = (
        "instructions and question need {tokens:,} tokens; with {reserved:,} kept for the answer"
        " the window of {window:,} has no room for a passage",
        "shorten the question, or lower generator.reserved_output",
    )
    ko = (
        "지시문과 질문이 {tokens:,}토큰이라 답변용 {reserved:,}토큰을 빼면 {window:,}토큰 창에"
        " 근거를 넣을 자리가 없습니다",
        "질문을 줄이거나 generator.reserved_output 을 낮추세요",
    )


class QuestionTooLong(PipelineError):
    """A question or query is over the limit. Fields: characters, most."""

    code = "question_too_long"
    en = (
        "the question has {characters:,} characters; {most:,} are the limit",
        "ask for one thing; a longer text is a document to ingest",
    )
    ko = (
        "질문이 {characters:,}자로 너무 깁니다(한도 {most:,}자)",
        "물을 것만 적어 주세요. 긴 글은 문서로 색인하세요",
    )


class EmptyQuestion(PipelineError):
    """A question is empty or blank. No fields."""

    code = "empty_question"
    en = ("the question is empty", "write one")
    ko = ("질문이 비어 있습니다", "질문을 적어 주세요")


class PageNotFound(PipelineError):
    """Fields: page, pages."""

    code = "page_not_found"
    en = ("there is no page {page}", "the document has {pages} pages")
    ko = ("{page}쪽이 없습니다", "이 문서는 {pages}쪽까지 있습니다")


class SpanNotFound(PipelineError):
    """Fields: start, end, length."""

    code = "span_not_found"
    en = (
        "no characters from {start:,} to {end:,}",
        "the document has {length:,}; --start and --end are those of a citation",
    )
    ko = (
        "{start:,}–{end:,} 글자가 없습니다",
        "이 문서는 {length:,}자입니다. 인용의 start와 end를 그대로 주세요",
    )


class NoPages(PipelineError):
    """A document of a format without pages cannot be shown as one. Fields: path."""

    code = "no_pages"
    en = ("{path} is of a format without pages, so there is no page to show", "rag text prints its text")
    ko = ("{path} 은(는) 쪽이 없는 형식이라 쪽 그림을 만들 수 없습니다", "rag text 로 글을 보세요")


class SourceMissing(PipelineError):
    """The file of a document cannot be opened any more. Fields: path, detail."""

    code = "source_missing"
    en = ("the file {path} cannot be opened ({detail})", "put it back, or ingest it where it is now")
    ko = ("{path} 파일을 열 수 없습니다({detail})", "제자리에 되돌리거나 지금 있는 곳에서 다시 색인하세요")


class SourceChanged(PipelineError):
    """The file of a document has changed since it was ingested. Fields: path."""

    code = "source_changed"
    en = ("{path} has changed since it was ingested, so its words stand elsewhere now", "ingest it again")
    ko = ("{path} 파일이 색인한 뒤에 바뀌어 글자의 자리를 알 수 없습니다", "다시 색인하세요")


class OutputFailed(PipelineError):
    """A file or folder cannot be written. Fields: path, detail."""

    code = "output_failed"
    en = ("cannot write {path}: {detail}", "name a file or folder that can be written")
    ko = ("{path} 에 쓸 수 없습니다: {detail}", "쓸 수 있는 파일이나 폴더를 주세요")


class InputUnreadable(PipelineError):
    """A file of questions or text cannot be read. Fields: path, detail."""

    code = "input_unreadable"
    en = ("{path}: {detail}", "give a UTF-8 file; for questions one JSON object a line")
    ko = ("{path}: {detail}", "UTF-8 파일을 주세요. 질문은 한 줄에 JSON 객체 하나입니다")


class ConfigExists(PipelineError):
    """Fields: path."""

    code = "config_exists"
    en = ("{path} exists and was left as it is", "name another file with --config, or remove it")
    ko = ("{path} 파일이 이미 있어 그대로 두었습니다", "--config 로 다른 이름을 주거나 지우고 다시 하세요")


class GeneratorUnavailable(PipelineError):
    """The model server does not answer. Fields: url, detail."""

    code = "generator_unavailable"
    en = (
        "the model server at {url} does not answer: {detail}",
        "start it, or set generator.base_url; without a model: --set generator.backend=extractive",
    )
    ko = (
        "{url} 모델 서버가 응답하지 않습니다: {detail}",
        "서버를 켜거나 generator.base_url 을 고치세요. 모델 없이 쓰려면 --set generator.backend=extractive",
    )


class GeneratorMismatch(PipelineError):
    """The server serves something other than the configuration says. Fields: url, what, fix, what_ko, fix_ko."""

    code = "generator_mismatch"
    en = ("the server at {url} {what}", "{fix}")
    ko = ("{url} 서버: {what_ko}", "{fix_ko}")


class GenerationFailed(PipelineError):
    """Fields: detail."""

    code = "generation_failed"
    en = ("the model did not give an answer: {detail}", "look at the model server's log")
    ko = ("모델이 답을 만들지 못했습니다: {detail}", "모델 서버의 로그를 확인하세요")


class GeneratorBusy(GenerationFailed):
    """The server answers but turns the request down: overloaded, starting, or failing. Fields: url, detail."""

    code = "generator_busy"
    en = (
        "the model server at {url} turned the request down: {detail}",
        "look at its log; lower generator.concurrency, or raise generator.retries and generator.retry_seconds",
    )
    ko = (
        "{url} 모델 서버가 요청을 받지 않았습니다: {detail}",
        "서버의 로그를 확인하고 generator.concurrency 를 낮추거나"
        " generator.retries 와 generator.retry_seconds 를 늘리세요",
    )


class BrokenAnswer(GenerationFailed):
    """The answer began and broke off before its end. Fields: url, detail."""

    code = "broken_answer"
    en = ("the answer of {url} broke off: {detail}", "ask again; look at the model server's log")
    ko = (
        "{url} 에서 오던 답이 중간에 끊겼습니다: {detail}",
        "다시 질문하고, 되풀이되면 모델 서버의 로그를 확인하세요",
    )


class GenerationTimeout(GenerationFailed):
    """The server was reached but did not finish in time. Fields: url, seconds."""

    code = "generation_timeout"
    en = (
        "{url} did not finish the answer within {seconds:g} s",
        "raise generator.timeout_seconds, or lower generator.reserved_output or generator.concurrency",
    )
    ko = (
        "{url} 서버가 {seconds:g}초 안에 답을 끝내지 못했습니다",
        "generator.timeout_seconds 를 늘리거나 generator.reserved_output 또는 generator.concurrency 를 낮추세요",
    )


class GpusUnfit(PipelineError):
    """The model cannot be split evenly over `gpus` GPUs. Fields: model, gpus, heads, kv_heads, possible."""

    code = "gpus_unfit"
    en = (
        "{model} cannot be shared out over {gpus} GPUs: it has {heads} heads and {kv_heads} KV heads",
        "set serving.gpus (--gpus) to one of {possible}",
    )
    ko = (
        "{model} 은(는) 헤드 {heads}개, KV 헤드 {kv_heads}개라 GPU {gpus}개에 나눌 수 없습니다",
        "serving.gpus(--gpus)를 {possible} 가운데 하나로 하세요",
    )


class TokenizerFolderUnfit(PipelineError):
    """The folder for the server's tokenizer holds something else. Fields: path, what, what_ko."""

    code = "tokenizer_folder_unfit"
    en = ("the folder {path} {what}", "name another with --tokenizer-dir, or empty it")
    ko = ("{path} 폴더: {what_ko}", "--tokenizer-dir 로 다른 폴더를 주거나 비우세요")


class PortTaken(PipelineError):
    """Something listens already at the model server's address. Fields: url."""

    code = "port_taken"
    en = (
        "something answers at {url} already",
        "rag serve-model --check looks at it; or change generator.base_url",
    )
    ko = (
        "{url} 에 이미 켜져 있는 것이 있습니다",
        "rag serve-model --check 로 확인하거나 generator.base_url 을 바꾸세요",
    )


class ModelServerEnded(PipelineError):
    """The model server ended by itself. Fields: status, log, last."""

    code = "model_server_ended"
    en = ("the model server ended (exit code {status}): {last}", "see {log}")
    ko = ("모델 서버가 꺼졌습니다(종료 코드 {status}): {last}", "{log} 를 확인하세요")


class NotIngested(PipelineError):
    """A file or folder exists, but nothing of it is in the index. Fields: path, index."""

    code = "not_ingested"
    en = ("{path} is not in the index {index}", "rag ingest {path} first")
    ko = ("{path} 은(는) 색인 {index} 에 없습니다", "먼저 rag ingest {path} 로 색인하세요")


class NoSharedNames(PipelineError):
    """The reports share no names, so the rows to compare must be given. Fields: documents."""

    code = "no_shared_names"
    en = ("the {documents} reports share no labels, rows or headings to compare", "name rows: --row 사업기간")
    ko = (
        "보고서 {documents}개에 함께 나오는 항목이 없어 비교할 행을 찾지 못했습니다",
        "--row 사업기간 처럼 비교할 항목을 주세요",
    )


class OutputBusy(PipelineError):
    """Another job writes summaries to the folder. Fields: path."""

    code = "output_busy"
    en = ("another job writes to {path}", "wait until it ends, or name another folder with --out")
    ko = ("다른 작업이 {path} 에 쓰고 있습니다", "끝날 때까지 기다리거나 --out 으로 다른 폴더를 주세요")
