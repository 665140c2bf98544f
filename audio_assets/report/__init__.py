"""The listening report: a static page for each item, to hear and see what was measured, and an index.

Every page is one file that opens from disk in any browser: style, script, pictures and sound are in it,
and its content security policy forbids requests. See `write_report`.
"""

from audio_assets.report.write import ReportError, Written, write_report

__all__ = ["ReportError", "Written", "write_report"]
