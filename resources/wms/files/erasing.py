"""Removing files with personal data: orders that we wrote, and what the partner's files became.

Belongs here: which files may go. Orders name buyers; files of the partner may, in columns that we
do not read. A file that the partner has not fetched stays as long as its order's address is held.
Folders that the partner makes for itself are the partner's to clear.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from resources.wms.files.folder import Folder, hidden
from resources.wms.files.outgoing import order_ref_of
from resources.wms.files.policy import FilesPolicy
from resources.wms.keeping import FilesErased

Over = Callable[[list[str]], set[str]]


def erase(
    folder: Folder,
    policy: FilesPolicy,
    put_away: Iterable[str],
    unfinished: dict[str, str],
    taken_in_before: datetime,
    over: Over,
) -> FilesErased:
    """Remove what is due; see `resources.wms.keeping.KeepsFiles`.

    Args:
        folder: the partner's folders.
        policy: how they are named.
        put_away: folders of files that were taken in.
        unfinished: order to the name under which its file was begun and never completed.
        taken_in_before: aware; older files of `put_away` go.
        over: of these orders, the ones whose files may go.
    """
    out = policy.orders.folder
    written = {
        entry.name: order_ref
        for entry in folder.entries(out)
        if (order_ref := order_ref_of(entry.name)) is not None
    }
    ended = over(sorted({*written.values(), *unfinished}))
    for order_ref, name in unfinished.items():
        if order_ref in ended:
            folder.remove(hidden(f"{out}/{name}"))
    due = [f"{out}/{name}" for name, order_ref in written.items() if order_ref in ended]
    stays = len(written) - len(due)
    for path, changed_at in _files(folder, put_away):
        if changed_at < taken_in_before.timestamp():
            due.append(path)
        else:
            stays += 1
    for path in due:
        folder.remove(path)
    return FilesErased(len(due), stays)


def _files(folder: Folder, places: Iterable[str]) -> Iterator[tuple[str, float]]:
    for place in places:
        for entry in folder.entries(place):
            yield f"{place}/{entry.name}", entry.changed_at
