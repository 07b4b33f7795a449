"""Answers of vLLM in the product's own process under a bias towards brackets, as JSON; run where vLLM is.

python tests/server/grammar/biased_inprocess.py WEIGHTS TOKENIZER SITE_PACKAGES
"""

import json
import sys

sys.path.append(sys.argv[3])  # what that environment lacks; what it has comes first

from rag.models.generator import GenerationConfig, Sampling
from rag.models.local import VllmInProcess
from rag.prompting.tokens import ModelTokenizer
from tests.server.grammar.measure import TOKENS, make_prompts, towards_brackets
from tests.support.servers.tiny_model import WINDOW


class Biased(VllmInProcess):
    """With a bias that the product has no use for."""

    bias: dict[int, float]

    def _parameters_of(self, prompt, options):
        parameters = super()._parameters_of(prompt, options)
        parameters.logit_bias = self.bias
        return parameters


if __name__ == "__main__":
    weights, folder = sys.argv[1:3]
    tokenizer = ModelTokenizer(folder)
    config = GenerationConfig("vllm-inprocess", weights, window=WINDOW, concurrency=32)
    generator = Biased(config, tokenizer)
    generator.bias = {int(token): bias for token, bias in towards_brackets(tokenizer).items()}
    prompts = make_prompts(tokenizer, 12, 64)
    written = {}
    for governed in (True, False):
        options = Sampling(TOKENS, temperature=1.0, only_shown_markers=governed)
        completions = generator.generate(prompts, options)
        written[str(governed)] = [(c.text, c.finish_reason, c.completion_tokens) for c in completions]
    print(json.dumps(written))
