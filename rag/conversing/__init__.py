"""A question and the turns before it → an answer; the question is made whole first, so that it can be searched for."""
