"""Export: all that is stored of entries, as JSON or CSV, in memory that does not grow with their number.

`records(entries)` yields what is stored of each entry; `as_json` and `as_csv` make a document of records, piece by
piece, for a pipe or a streamed response; `to_file` writes one into a file that only its owner may read.
"""

from insights_recovery.export.files import FORMATS, private_file, to_file
from insights_recovery.export.formats import as_csv, as_json, unescaped
from insights_recovery.export.records import Record, records

__all__ = ["FORMATS", "Record", "as_csv", "as_json", "private_file", "records", "to_file", "unescaped"]
