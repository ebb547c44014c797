"""OpenAPI documents (3.0, 3.1 and Swagger 2) as a source of targets.

A document is read as plain dictionaries, and forgivingly: public documents are full of small mistakes. What is written
is an ordinary target, which its user reads, corrects and keeps.
"""

from batchupdate.targets.openapi.access import preferred, servers_of
from batchupdate.targets.openapi.document import Document, document_of, load_document
from batchupdate.targets.openapi.operations import Operation, find_operation, operations_of
from batchupdate.targets.openapi.target import Choices, Draft, about_left_out, draft_target

__all__ = [
    "Choices",
    "Document",
    "Draft",
    "Operation",
    "about_left_out",
    "document_of",
    "draft_target",
    "find_operation",
    "load_document",
    "operations_of",
    "preferred",
    "servers_of",
]
