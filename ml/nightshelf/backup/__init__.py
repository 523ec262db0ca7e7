"""One file that holds a home and, of a server, its databases; and the way back from it.

A backup is a tar: home/…, postgres/<name>.dump, and last backup.json with the sha256 of every file, so
that one that was cut short is known as such. It holds no secret of .env.
"""

from nightshelf.backup.run import back_up, restore

__all__ = ["back_up", "restore"]
