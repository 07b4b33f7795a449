"""A question and the turns before it → an answer. The question is first rewritten so that it stands alone."""
