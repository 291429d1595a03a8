"""Anthropic's front door: Messages requests for targets that speak another language.

`MessagesDoor` stands before a target's codec. A Messages request becomes a chat request of
OpenAI's shape, which the codec says in its vendor's words; the completion, or its stream, becomes
a message again. A target that speaks Messages itself gets the request as it is.
"""
