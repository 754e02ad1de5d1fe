"""Chapters run anew with other parameters, by papermill, in processes of their own.

A chapter's parameters cell says what can be turned (:mod:`~bookworks.reruns.parameters`),
files in ``reruns/`` declare runs (:mod:`~bookworks.reruns.declared`), a run that nothing has
changed since is not executed again (:mod:`~bookworks.reruns._records`), and a page of the book
lays the runs side by side (:mod:`~bookworks.reruns._gallery`).
"""
