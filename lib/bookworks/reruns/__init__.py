"""Chapters run anew with other parameters, by papermill, in processes of their own.

Files in ``reruns/`` declare the runs.

A file names one chapter and gives its runs::

    title: How wide a window?
    chapter: smoothing
    name: width-{width}
    parameters: {kernel: flat}        # the same in all runs of the file
    grid: {width: [0.25, 0.5, 1.0]}   # every combination
    runs: [{width: 2.0, seed: 1}]     # or one by one
    timeout: 300                      # seconds for one run
    keep: [results, notebook, page]   # what is kept of it

``chapter``, ``name`` and ``grid`` or ``runs`` are needed.  Names of files are read from the
folder of the declaration.  ``reruns/chapters.yml`` names key results (``Facts``).
"""

from bookworks.reruns._declared import read
