"""Figures of the record, the cities, the policy, the audit and the witnesses."""

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"role": "drawing"}}
