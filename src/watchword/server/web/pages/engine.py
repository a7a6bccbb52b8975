"""The template engine, and what every template is given.

It is loaded at the first page: a node that only serves tokens never pays for it.
"""
