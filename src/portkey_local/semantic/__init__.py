"""Whether an answer to one question also answers another: embeddings, neighbours, vetoes.

Ground rules: similarity proposes and words decide. A hit needs an embedding close enough for the
profile and for the model that made it, and no veto: a number, a negation, a name or a condition
that differs. What decides (`deciding`) is pure; what is heavy (the model, the index) is loaded when
the first question comes, off the event loop.
"""
