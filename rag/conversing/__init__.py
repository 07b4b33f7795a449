"""A question and the turns before it → an answer: the question is first made whole, to be searched for alone."""
