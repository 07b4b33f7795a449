"""The errors of an index; each class has its wording in English and Korean, as in ingest/errors.py."""

from ingest.errors import PipelineError


class IndexNotFound(PipelineError):
    """Fields: path."""

    code = "index_not_found"
    en = ("there is no index at {path}", "build one: rag ingest FOLDER --index {path}")
    ko = ("{path} 에 색인이 없습니다", "먼저 만드세요: rag ingest 폴더 --index {path}")


class IndexMismatch(PipelineError):
    """The index was built with another model or analyser. Fields: what, built, opened, path."""

    code = "index_mismatch"
    en = (
        "the index was built with {what} {built}, but the configuration names {opened}",
        "set the configuration back; to change the index instead, run rag reembed (embedder) or rag upgrade (analyser)",
    )
    ko = (
        "색인은 {what} {built}(으)로 만들었는데 설정은 {opened}입니다",
        "설정을 되돌리거나, 색인을 바꾸려면 rag reembed(embedder)나 rag upgrade(analyser)를 실행하세요",
    )


class IndexFormat(PipelineError):
    """The index is of a format that this program does not know. Fields: path, found, known."""

    code = "index_format"
    en = (
        "the index at {path} has format {found}, this program reads {known}",
        "use the program version that built it, or ingest again",
    )
    ko = (
        "{path} 색인의 형식은 {found}이고 이 프로그램은 {known}만 읽습니다",
        "색인을 만든 버전을 쓰거나 다시 색인하세요",
    )


class IndexOutdated(IndexFormat):
    """The index is of an older format, which can be upgraded. Fields: path, found, known."""

    code = "index_outdated"
    en = (
        "the index at {path} has the older format {found}, this program reads {known}",
        "run: rag upgrade --index {path}",
    )
    ko = (
        "{path} 색인은 이전 형식 {found}이고 이 프로그램은 {known}만 읽습니다",
        "rag upgrade --index {path} 로 바꾸세요(문서를 다시 읽지 않습니다)",
    )


class IndexInUse(PipelineError):
    """Other processes still read an older version that is to be removed. Fields: path, holders."""

    code = "index_in_use"
    en = (
        "processes {holders} still read an older version of {path}",
        "let them finish or reopen the index, then run this again; rag compact --wait SECONDS waits for them",
    )
    ko = (
        "{path} 의 이전 버전을 아직 읽는 프로세스가 있습니다({holders})",
        "끝나거나 색인을 다시 연 뒤 실행하세요. rag compact --wait 초 는 그때까지 기다립니다",
    )


class TargetExists(PipelineError):
    """A copy of an index would overwrite something. Fields: path."""

    code = "target_exists"
    en = (
        "{path} exists and is not empty",
        "name another folder; rag restore --force replaces an index, and nothing else",
    )
    ko = (
        "{path} 폴더가 이미 있고 비어 있지 않습니다",
        "다른 폴더를 쓰세요. 색인이 있는 폴더는 rag restore --force 로 바꿀 수 있습니다",
    )


class IndexBusy(PipelineError):
    """Another process writes. Fields: path, holder."""

    code = "index_busy"
    en = ("another process ({holder}) is writing to {path}", "wait until it has finished")
    ko = ("다른 프로세스({holder})가 {path} 에 쓰고 있습니다", "끝난 뒤 다시 실행하세요")


class IndexDamaged(PipelineError):
    """A file of the index is missing or changed. Fields: path, detail."""

    code = "index_damaged"
    en = ("the index at {path} is damaged: {detail}", "run: rag check --index {path}, then rag repair")
    ko = (
        "{path} 색인이 손상되었습니다: {detail}",
        "rag check --index {path} 로 확인하고 rag repair 로 고치세요",
    )


class IndexUnwritable(PipelineError):
    """The operating system refuses a write. Fields: path, detail."""

    code = "index_unwritable"
    en = (
        "cannot write to {path}: {detail}",
        "free space or mend the permissions; what was committed before is intact",
    )
    ko = (
        "{path} 에 쓸 수 없습니다: {detail}",
        "공간이나 권한을 확인하세요. 앞서 저장한 내용은 그대로입니다",
    )


class DocumentNotFound(PipelineError):
    """Fields: name."""

    code = "document_not_found"
    en = ("no document {name} in the index", "rag list shows them")
    ko = ("색인에 {name} 문서가 없습니다", "rag list 로 목록을 보세요")


class AmbiguousDocument(PipelineError):
    """Several documents have that file name or title. Fields: name, ids."""

    code = "ambiguous_document"
    en = ("several documents are called {name}", "give the id of one: {ids}")
    ko = ("{name} 문서가 여럿입니다", "아이디로 하나를 고르세요: {ids}")


class NothingToIngest(PipelineError):
    """Fields: path."""

    code = "nothing_to_ingest"
    en = ("no PDF, HWPX, DOCX or text files in {path}", "name a file or a folder that holds some")
    ko = ("{path} 에 PDF, HWPX, DOCX, 텍스트 파일이 없습니다", "파일이나 파일이 든 폴더를 지정하세요")


class NoSuchPath(PipelineError):
    """Fields: path."""

    code = "no_such_path"
    en = ("no such file or folder: {path}", "check the spelling")
    ko = ("파일이나 폴더가 없습니다: {path}", "경로를 확인하세요")


class ModelUnavailable(PipelineError):
    """A model cannot be loaded. Fields: name, detail, section."""

    code = "model_unavailable"
    en = (
        "the model {name} cannot be loaded: {detail}",
        "give a local folder in {section}, or let this machine reach the hub once",
    )
    ko = (
        "{name} 모델을 불러올 수 없습니다: {detail}",
        "{section} 에 로컬 폴더를 지정하거나 허브에 연결해 한 번 내려받으세요",
    )


class ChunkTooLong(PipelineError):
    """The configured chunks are longer than the embedder reads. Fields: embedder, reads, chunk, tokens, fitting."""

    code = "chunk_too_long"
    en = (
        "the embedder {embedder} reads {reads} tokens, but chunks of {chunk} are about {tokens} of its own",
        "set chunking.max_tokens to {fitting} or less, or choose an embedder that reads more",
    )
    ko = (
        "{embedder} 임베더는 {reads}토큰까지 읽는데 {chunk}토큰 청크는 그 임베더의 약 {tokens}토큰입니다",
        "chunking.max_tokens 를 {fitting} 이하로 줄이거나 더 긴 입력을 읽는 임베더를 쓰세요",
    )


class TextTooLong(PipelineError):
    """The embedder would cut a chunk that was read. Fields: embedder, reads, tokens, text."""

    code = "chunk_too_long"
    en = (
        "the embedder {embedder} reads {reads} tokens, but a chunk with its headings is {tokens} of its own:"
        " «{text}»",
        "lower chunking.max_tokens and ingest again, or choose an embedder that reads more",
    )
    ko = (
        "{embedder} 임베더는 {reads}토큰까지 읽는데 제목을 포함한 어떤 청크는 그 임베더의 {tokens}토큰입니다:"
        " «{text}»",
        "chunking.max_tokens 를 줄여 다시 색인하거나 더 긴 입력을 읽는 임베더를 쓰세요",
    )


class DimTooLarge(PipelineError):
    """Fields: name, wanted, own."""

    code = "dim_too_large"
    en = (
        "the embedder {name} gives {own} dimensions, embedding.dim asks for {wanted}",
        "set embedding.dim to 0 for all of them, or to fewer",
    )
    ko = (
        "{name} 임베더는 {own}차원인데 embedding.dim 은 {wanted}입니다",
        "embedding.dim 을 0(전부)이나 더 작은 값으로 두세요",
    )


class HalfPrecisionOverflow(PipelineError):
    """A model gives NaN or infinity in its data type. Fields: name, dtype, section."""

    code = "half_precision_overflow"
    en = (
        "{name} gives no valid numbers in {dtype}",
        'set {section}.dtype = "bfloat16" or "float32"',
    )
    ko = (
        "{name} 모델을 {dtype} 으로 계산하면 숫자가 되지 않습니다",
        '{section}.dtype = "bfloat16" 이나 "float32" 로 두세요',
    )


class OutOfMemory(PipelineError):
    """A single text does not fit the device's memory. Fields: name, section."""

    code = "out_of_memory"
    en = (
        "the memory of the device is too small for {name}, even for one text at a time",
        'free some, set {section}.device = "cpu", or choose a smaller model',
    )
    ko = (
        "글 하나도 {name} 모델로 처리할 메모리가 장치에 없습니다",
        '메모리를 비우거나 {section}.device = "cpu" 로 두거나 더 작은 모델을 쓰세요',
    )


class NoReranker(PipelineError):
    """A model that does not give one score for a query and a text. Fields: name, labels."""

    code = "no_reranker"
    en = (
        "{name} gives {labels} scores for a query and a text, a reranker gives one",
        "choose a cross-encoder that was trained for reranking, or set models.reranker to nothing",
    )
    ko = (
        "{name} 모델은 질문과 글에 점수를 {labels}개 줍니다. 리랭커는 하나를 줍니다",
        '리랭킹용 교차 인코더를 고르거나 models.reranker = "" 로 두세요',
    )
