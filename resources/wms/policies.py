"""The section `wms` of the operating model: what each adapter must know of its warehouse.

Belongs here: putting the adapters' own sections together. Each stands in its adapter's package.
"""

from resources.model_section import Section
from resources.wms.files.policy import FilesPolicy
from resources.wms.ongoing.policy import OngoingPolicy
from resources.wms.tryton.policy import TrytonPolicy


class WmsPolicies(Section):
    """One section for each adapter that needs one; only that of WMS_ADAPTER counts."""

    tryton: TrytonPolicy = TrytonPolicy()
    files: FilesPolicy = FilesPolicy()
    ongoing: OngoingPolicy = OngoingPolicy()
