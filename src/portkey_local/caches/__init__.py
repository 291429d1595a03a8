"""Where answers are kept, and what they are kept as.

Ground rules: a cache takes bytes under keys that are digests, and gives them back or does not;
what the bytes mean is said in `entries`, what a key is made of in `keys`, and how a stream and a
whole answer become each other in `forms`. Those three are pure. Nothing here decides whether an
answer may be kept or served: the policy `cached` does.
"""
